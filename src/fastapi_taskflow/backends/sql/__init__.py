"""Storage in a SQL database through SQLAlchemy Core: so far SQLite files, not for users yet."""

from fastapi_taskflow.backends.sql.backend import SqlBackend

__all__ = ["SqlBackend"]
