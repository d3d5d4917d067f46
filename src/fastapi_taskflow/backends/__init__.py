"""Where tasks are stored: the port and its drivers."""

from fastapi_taskflow.backends.base import Backend, SnapshotBackend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.mysql import MySQLBackend
from fastapi_taskflow.backends.postgres import PostgresBackend
from fastapi_taskflow.backends.redis import RedisBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend

__all__ = [
    "Backend",
    "MemoryBackend",
    "MySQLBackend",
    "PostgresBackend",
    "RedisBackend",
    "SnapshotBackend",
    "SqliteBackend",
]
