"""`SqliteBackend` against the model of a store."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock


class SqliteMachine(BackendStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqliteBackend(str(place / "tasks.db"), clock=clock)


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = profile()
