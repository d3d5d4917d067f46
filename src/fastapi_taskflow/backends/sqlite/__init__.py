"""`SqliteBackend`: durable tasks in one SQLite file, with nothing to install or run."""

from fastapi_taskflow.backends.sqlite.backend import SqliteBackend

__all__ = ["SqliteBackend"]
