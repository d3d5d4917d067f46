"""`MemoryBackend` against the model of a store."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock


class MemoryMachine(BackendStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return MemoryBackend(clock=clock)


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = profile()
