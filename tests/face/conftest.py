"""Apps with and without a manager, on stores with quick heartbeats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import Backend, MemoryBackend, SqliteBackend, TaskManager

QUICK: dict[str, Any] = {"heartbeat_interval": 0.05, "instance_ttl": 0.5, "drain_timeout": 5.0}


@pytest.fixture
def make_manager() -> Callable[..., TaskManager]:
    """Makes managers whose durable tasks live as long as the test, each with its own store."""

    def make(backend: Backend | None = None, **settings: Any) -> TaskManager:
        return TaskManager(snapshot_backend=backend or MemoryBackend(), **{**QUICK, **settings})

    return make


@pytest.fixture
def tasks(make_manager: Callable[..., TaskManager]) -> TaskManager:
    """One manager, where a test needs no more."""
    return make_manager()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A store of each kind."""
    return (
        MemoryBackend() if request.param == "memory" else SqliteBackend(str(tmp_path / "tasks.db"))
    )
