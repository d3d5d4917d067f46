"""A call of an observer's, which ends in time and cannot end the process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["bounded", "is_being_cancelled"]


def is_being_cancelled() -> bool:
    """Whether somebody asked the current task to end, or a call of it raised the error itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def bounded(call: Coroutine[Any, Any, None], seconds: float) -> BaseException | None:
    """Wait for it, and return what it raised.

    One that goes on after ``seconds`` is cancelled, and left behind if it does not heed that.
    """
    task = asyncio.get_running_loop().create_task(_caught(call), name="taskflow observer")
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if task.done():
        return None if task.cancelled() else task.result()
    return TimeoutError(f"It took longer than {seconds:g} s.")


async def _caught(call: Coroutine[Any, Any, None]) -> BaseException | None:
    try:
        await call
    except asyncio.CancelledError as exc:
        if is_being_cancelled():
            raise
        return exc
    # A task that lets SystemExit out ends the event loop, whoever waits for it.
    except BaseException as exc:
        return exc
    return None
