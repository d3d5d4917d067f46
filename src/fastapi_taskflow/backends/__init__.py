"""Where tasks are stored: the port and its drivers."""

from fastapi_taskflow.backends.base import Backend, SnapshotBackend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend

__all__ = ["Backend", "MemoryBackend", "SnapshotBackend", "SqliteBackend"]
