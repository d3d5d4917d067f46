"""Managers on each backend, with quick heartbeats."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import Backend, MemoryBackend, SqliteBackend, TaskManager

QUICK = {"heartbeat_interval": 0.05, "instance_ttl": 0.5, "drain_timeout": 5.0}


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Backend]:
    """Gives a handle to one store; each call another handle, as another process would have."""
    if request.param == "sqlite":
        return lambda: SqliteBackend(str(tmp_path / "tasks.db"))
    shared = MemoryBackend()
    return lambda: shared


@pytest.fixture
async def manager(open_store: Callable[[], Backend]) -> AsyncIterator[Callable[..., TaskManager]]:
    """Makes managers on the one store; stops at the end what a test has started."""
    made: list[TaskManager] = []

    def make(**settings: Any) -> TaskManager:
        made.append(TaskManager(snapshot_backend=open_store(), **{**QUICK, **settings}))
        return made[-1]

    async with AsyncExitStack() as stack:
        yield make
        for one in made:
            stack.push_async_callback(one.shutdown)
