"""Managers with keys on each store."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import Backend, MemoryBackend, SqliteBackend, TaskManager

QUICK = {"heartbeat_interval": 0.05, "instance_ttl": 0.5, "drain_timeout": 5.0}
KEY = "a secret that is long enough"


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Backend]:
    """Gives a handle to one store; each call another handle, as another process would have."""
    if request.param == "sqlite":
        return lambda: SqliteBackend(str(tmp_path / "tasks.db"))
    shared = MemoryBackend()
    return lambda: shared


@pytest.fixture
async def manager(open_store: Callable[[], Backend]) -> AsyncIterator[Callable[..., TaskManager]]:
    """Makes managers on the one store, with a key unless they are given another."""
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> TaskManager:
            given = {**QUICK, "encrypt_args_key": KEY, **settings}
            tasks = TaskManager(snapshot_backend=open_store(), **given)
            stack.push_async_callback(tasks.shutdown)
            return tasks

        yield make
