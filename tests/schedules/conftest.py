"""Managers on one store whose clock a test turns."""

from collections.abc import Callable
from typing import Any

import pytest

from fastapi_taskflow import Backend, MemoryBackend, SqliteBackend, TaskManager
from fastapi_taskflow.testing.clock import ManualClock

QUICK: dict[str, Any] = {"heartbeat_interval": 0.05, "instance_ttl": 0.5, "drain_timeout": 5.0}


@pytest.fixture
def clock() -> ManualClock:
    """Stands at the start of 2026."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request, tmp_path, clock) -> Callable[[], Backend]:
    """Gives a handle to one store; each call another handle, as another process would have."""
    if request.param == "sqlite":
        return lambda: SqliteBackend(str(tmp_path / "tasks.db"), clock=clock)
    shared = MemoryBackend(clock=clock)
    return lambda: shared


@pytest.fixture
def manager(open_store) -> Callable[..., TaskManager]:
    """Makes managers on the one store."""

    def make(**settings: Any) -> TaskManager:
        return TaskManager(snapshot_backend=open_store(), **{**QUICK, **settings})

    return make
