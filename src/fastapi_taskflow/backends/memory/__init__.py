"""A backend in this process's memory: what an application without a store runs on."""

from fastapi_taskflow.backends.memory.backend import MemoryBackend

__all__ = ["MemoryBackend"]
