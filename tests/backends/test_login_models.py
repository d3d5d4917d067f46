"""Sign-in in every store against a model of it."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.loginmachine import LoginStateMachine
from fastapi_taskflow.testing.statemachine import profile
from fastapi_taskflow.words.clock import Clock


class MemoryMachine(LoginStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return MemoryBackend(clock=clock)


class SqliteMachine(LoginStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqliteBackend(str(place / "tasks.db"), synchronous="NORMAL", clock=clock)


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = profile()
TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = profile()
