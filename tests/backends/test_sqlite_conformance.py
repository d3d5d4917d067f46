"""The contract, proven on `SqliteBackend`."""

from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.clock import Clock
from fastapi_taskflow.testing.conformance import BackendConformance

sqlite = pytest.importorskip("fastapi_taskflow.backends.sqlite")


class TestSqliteBackend(BackendConformance):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        backend: Backend = sqlite.SqliteBackend(str(place / "tasks.db"), clock=clock)
        return backend
