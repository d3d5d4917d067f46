"""A look at a store from outside: nothing is created, migrated, enlisted or written."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

# Unlike `Path.is_file` False for what is too long for a path, or has a NUL.
from os.path import isfile
from typing import Concatenate, ParamSpec, Self, TypeVar

from fastapi_taskflow.backends.base import Attempt, Page, Query, Signals, StoredTask, Tally
from fastapi_taskflow.backends.sqlite import fleet, reading
from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.faults import translated
from fastapi_taskflow.backends.sqlite.lifelocks import LifeLocks
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.older import OlderCounts, command_for, left_over
from fastapi_taskflow.backends.sqlite.schema import FREE, VERSION
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.versions import missing
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, from_micros
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["Look"]

_LATE = "SELECT count(*) FROM @attempts WHERE late"
# What has never started and was claimed twice; sealed forms begin as `crypto` says.
_SEALED = "(substr(payload, 1, 4) = x'74666531' OR substr(payload, 1, 5) = x'6741414141')"
_UNOPENED = (
    "SELECT count(*) FROM @tasks WHERE state = 0 AND owner IS NULL AND start_at IS NULL"
    f" AND fence > 1 AND {_SEALED}"
)
# What has never started, was claimed when it was due, and is due later again.
_UNREAD = (
    f"SELECT func, count(*) FROM @tasks WHERE {FREE} AND start_at IS NULL AND fence > born"
    f" AND due_at > ? AND NOT coalesce({_SEALED}, 0) GROUP BY func ORDER BY func"
)

P = ParamSpec("P")
T = TypeVar("T")


class Look:
    """The reading verbs of the port on a read-only connection; blocks, for one thread.

    All that it shows is one moment, the one of its first read, until `close`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database.resolved()
        self._life = LifeLocks(store_directory(self._database.path), database.texts.prefix)
        self._connection: sqlite3.Connection | None = None

    @property
    def path(self) -> str:
        """The file, absolute and without symbolic links."""
        return self._database.path

    def __enter__(self) -> Self:
        """Connect, and check that there are tables that this release can read.

        Raises:
            StoreUnavailable: there is no such store, or it cannot be read.
            ConfigurationError: it is of another version.
        """
        if not isfile(self.path):  # noqa: PTH113
            raise StoreUnavailable(
                f"There is no task store at {self.path!r}, and looking does not make one. "
                "Check the path; an app makes its store when it starts."
            )
        try:
            self._check_version()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def version(self) -> int | None:
        """The schema's version; None without our tables."""
        return self._read(_version, self._database.texts.prefix)

    def older(self) -> OlderCounts | None:
        """What the older package left in the same file and nobody has imported."""
        return self._read(left_over, self._database.texts.prefix)

    def quick_check(self) -> list[str]:
        """What is damaged in the file, at most 20 lines; reads all of it."""
        was_still = self._database.is_still
        damage = self._read(_quick_check)
        if damage and was_still and not self._database.is_still:
            # Somebody has begun to write meanwhile, and some of that was seen halfway.
            self.close()
            damage = self._read(_quick_check)
        return damage

    def missing(self) -> list[str]:
        """Tables and indexes of the store that are not there."""
        return self._read(missing, self._database.texts.prefix)

    def late(self) -> int:
        """Ends that came after another instance had taken the task over."""
        return self._read(_number, _LATE)

    def unopened(self) -> int:
        """Waiting encrypted tasks that instances took and gave back, again and again."""
        return self._read(_number, _UNOPENED)

    def unread(self) -> dict[str, int]:
        """By function, waiting tasks that instances took and gave back for a while."""
        return dict(self._read(Session.all, _UNREAD, (SYSTEM_CLOCK.micros(),)))

    def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        """See `Backend.get`."""
        return self._read(reading.get, task_ids)

    def attempts(self, task_id: str) -> list[Attempt]:
        """See `Backend.attempts`."""
        return self._read(reading.attempts, task_id)

    def search(self, query: Query, *, limit: int, cursor: str | None = None) -> Page:
        """See `Backend.search`."""
        return self._read(reading.search, query, limit, reading.parsed_cursor(cursor))

    def count(self, query: Query, *, cap: int) -> int:
        """See `Backend.count`."""
        return self._read(reading.count, query, cap)

    def tally(self) -> list[Tally]:
        """See `Backend.tally`."""
        return self._read(reading.tally)

    def signals(self) -> Signals:
        """Stored queue settings and instances, see `Backend.signals`."""
        return self._read(fleet.signals, "")

    def latest_shown(self) -> datetime:
        """The latest time that is noted of the store's clock; 1970 where none is."""
        return from_micros(self._read(fleet.latest_shown))

    def gone(self, instances: Iterable[str]) -> frozenset[str]:
        """Those whose process is proven dead, see `Backend.gone`."""
        return self._life.free(instances)

    def _check_version(self) -> None:
        version = self.version()
        if version is None:
            older = self.older()
            mend = (
                "Check the path, and the table prefix if the app sets one."
                if older is None
                else f"It holds one of the older fastapi-taskflow ({older}): "
                f"take that over with: {command_for(self.path)}"
            )
            raise StoreUnavailable(
                f"{self.path!r} is a database without a task store in it. {mend}"
            )
        if version != VERSION:
            newer = version > VERSION
            mend = "Upgrade the library" if newer else "Start the app or a worker to migrate it"
            raise ConfigurationError(
                f"The task store {self.path!r} has schema version {version}; this release of "
                f"fastapi-taskflow reads version {VERSION}. {mend}."
            )

    def _read(
        self, function: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            if self._connection is None:
                self._connection = self._database.onlooker()
                self._connection.execute("BEGIN")
            session = Session(self._connection, self._database.texts)
            return function(session, *args, **kwargs)
        except sqlite3.Error as exc:
            raise translated(exc, self.path) from exc


def _version(session: Session, prefix: str) -> int | None:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if session.one(known, (f"{prefix}schema",)) is None:
        return None
    version: int | None = session.one("SELECT max(version) FROM @schema")[0]
    return version


def _number(session: Session, statement: str) -> int:
    number: int = session.one(statement)[0]
    return number


def _quick_check(session: Session) -> list[str]:
    lines = [str(row[0]) for row in session.all("PRAGMA quick_check(20)")]
    return [] if lines == ["ok"] else lines
