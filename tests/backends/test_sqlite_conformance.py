"""The contract, proven on `SqliteBackend`."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.words.clock import Clock


class TestSqliteBackend(BackendConformance):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqliteBackend(str(place / "tasks.db"), clock=clock)
