"""A store that is looked at from outside: nothing is created, migrated, enlisted or written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

# Unlike `Path.is_file` False for what is too long for a path, or has a NUL.
from os.path import isfile

from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.files import Files
from fastapi_taskflow.backends.sqlite.jobs import Job
from fastapi_taskflow.backends.sqlite.lifelocks import LifeLocks
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.older import command_for, left_over
from fastapi_taskflow.backends.sqlite.readers import Reader
from fastapi_taskflow.backends.sqlite.schema import VERSION
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.stores import Store
from fastapi_taskflow.backends.sqlite.writer import Writer
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["Onlooking", "check_readable", "check_there"]

_KNOWN = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"


class Onlooking(Store):
    """An open store whose reads go over one connection of an onlooker."""

    def __init__(self, database: Database) -> None:
        self.reader = self.browser = Reader(database, _Unwatched(database))
        self.writer = _NoWriter(database.path)
        self.life = LifeLocks(store_directory(database.path), database.texts.prefix)
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls,
        database: Database,
        clock: SteadyClock,  # noqa: ARG003  (what a `Store` needs)
        on_change: Callable[[], None],  # noqa: ARG003
    ) -> Onlooking:
        """Connect, and check that there are tables that this release can read.

        Raises:
            StoreUnavailable, ConfigurationError: see `check_there` and `check_readable`.
        """
        database = database.resolved()
        check_there(database.path)
        store = cls(database)
        try:
            await store.reader.read(check_readable, database)
        except BaseException:
            await store.close()
            raise
        return store

    def abandon(self) -> None:
        self.reader.end()

    async def close(self) -> None:
        await self.reader.stop()


class _Unwatched(Files):
    """No files are noted as open here, and none are compared."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.path)
        self._database = database

    def join(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        return self._database.onlooker()

    def check(self) -> None:
        pass


class _NoWriter(Writer):
    def __init__(self, path: str) -> None:
        self._path = path

    def submit(self, job: Job) -> None:
        raise StoreUnavailable(f"The task store {self._path!r} is only looked at here.")


def check_there(path: str) -> None:
    """Refuse what is no file.

    Raises:
        StoreUnavailable: there is none.
    """
    if not isfile(path):  # noqa: PTH113
        raise StoreUnavailable(
            f"There is no task store at {path!r}, and looking does not make one. Check the path; "
            "an app makes its store when it starts."
        )


def check_readable(session: Session, database: Database) -> None:
    """Refuse tables that this release cannot read.

    Raises:
        StoreUnavailable: there are none of ours.
        ConfigurationError: they are of another version.
    """
    path, prefix = database.path, database.texts.prefix
    if session.one(_KNOWN, (f"{prefix}schema",)) is None:
        older = left_over(session, prefix)
        mend = (
            "Check the path, and the table prefix if the app sets one."
            if older is None
            else f"It holds one of the older fastapi-taskflow ({older}): "
            f"take that over with: {command_for(path)}"
        )
        raise StoreUnavailable(f"{path!r} is a database without a task store in it. {mend}")
    version = session.one("SELECT max(version) FROM @schema")[0]
    if version != VERSION:
        newer = version is not None and version > VERSION
        mend = "Upgrade the library" if newer else "Start the app or a worker to migrate it"
        raise ConfigurationError(
            f"The task store {path!r} has schema version {version}; this release of "
            f"fastapi-taskflow reads version {VERSION}. {mend}."
        )
