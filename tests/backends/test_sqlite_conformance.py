"""The contract, proven on `SqliteBackend`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.words.clock import Clock
from tests.support.shops import session_on


class TestSqliteBackend(BackendConformance):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqliteBackend(str(place / "tasks.db"), clock=clock)

    def make_session(self, place: Path) -> AbstractContextManager[Any]:
        return session_on(f"sqlite:///{place / 'tasks.db'}")
