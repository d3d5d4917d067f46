"""A SQL database as a backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi_taskflow.backends.base import Backend, Grade
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.backends.sql.changing import SqlTasks
from fastapi_taskflow.backends.sql.fleet import SqlFleet
from fastapi_taskflow.backends.sql.logins import SqlLogins
from fastapi_taskflow.backends.sql.reading import SqlReads
from fastapi_taskflow.backends.sql.rotation import SqlRotation
from fastapi_taskflow.backends.sql.store import Store
from fastapi_taskflow.backends.sql.upkeep import SqlUpkeep
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, Clock

__all__ = ["SqlBackend"]


class SqlBackend(SqlTasks, SqlReads, SqlFleet, SqlUpkeep, Backend):
    """Tasks in a SQLite file, through SQLAlchemy.

    Args:
        path: Of the file; it is made if there is none.
        clock: What the store's own clock goes by.
    """

    def __init__(self, path: Path | str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(Store(Path(path), clock))

    @property
    def grade(self) -> Grade:
        return Grade.A

    @property
    def place(self) -> str:
        return str(self._store.path)

    @property
    def sign_in(self) -> Logins:
        return SqlLogins(self._store)

    @property
    def rotation(self) -> Rotation:
        return SqlRotation(self._store)

    async def open(self, on_change: Callable[[], None]) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()
