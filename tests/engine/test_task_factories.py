"""Tasks under an event loop whose tasks somebody else makes, as tracing tools do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager


def _wrapping(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    async def traced() -> Any:
        return await coroutine

    return asyncio.Task(traced(), loop=loop, **options)


async def test_a_task_that_waits_ends_under_a_factory_that_awaits_its_coroutine() -> None:
    steps: list[str] = []

    async def waits() -> None:
        steps.append("begun")
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        steps.append("ended")

    manager = TaskManager(drain_timeout=0.1)
    async with manager:
        asyncio.get_running_loop().set_task_factory(_wrapping)  # type: ignore[arg-type]
        tasks = ManagedBackgroundTasks(manager)
        tasks.add_task(waits)
        async with asyncio.timeout(2):
            await tasks()

    assert steps == ["begun", "ended"]
