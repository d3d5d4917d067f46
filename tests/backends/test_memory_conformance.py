"""The contract, proven on `MemoryBackend`."""

from pathlib import Path

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.words.clock import Clock


class TestMemoryBackend(BackendConformance):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return MemoryBackend(clock=clock)

    def open_second(self, first: Backend, clock: Clock, place: Path) -> Backend:
        return first
