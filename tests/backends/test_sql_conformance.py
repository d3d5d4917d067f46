"""The contract, proven on `SqlBackend`."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sql import SqlBackend
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.words.clock import Clock


class TestSqlBackend(BackendConformance):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqlBackend(place / "tasks.db", clock=clock)
