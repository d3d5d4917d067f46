"""The writer's connection: to the files that others find, and made anew when they change."""

from __future__ import annotations

import logging
import sqlite3
import time

from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.files import Files
from fastapi_taskflow.backends.sqlite.leases import Leases
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.versions import check_version
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Link"]

logger = logging.getLogger(__name__)

# While a store is away somebody may want to read it as soon as it is back.
_RECONNECT_SECONDS = 0.1


class Link:
    """For the writer's thread, which holds the write lock for all but `seems_well`.

    Attributes:
        leases: What is known by what was written over this connection.
    """

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._slot = files.slot()
        self._version: int | None = None
        self._is_outdated = False
        self._is_broken = False
        self._tried_at = float("-inf")
        self._told = ""
        self.leases = Leases()

    @property
    def connection(self) -> sqlite3.Connection | None:
        """The open one, in whatever state it is."""
        return self._slot.connection

    def ready(self) -> sqlite3.Connection:
        """The connection to write with.

        Raises:
            StoreUnavailable, sqlite3.Error, OSError: nothing may be written now.
        """
        connection = self._slot.connection
        if connection is None:
            if self._files.entered and not self._files.are_same():
                self._let_go()
        elif self._is_broken or not self._files.is_same_log(connection):
            self._let_go()
        connection = self._slot.connection
        if connection is None:
            self._tried_at = time.monotonic()
            connection = self._slot.connection = self._files.enter(self._database.writer)
            self._is_broken = False
            # Whatever is in the store now, others have written it.
            self._version = None
        if self._is_outdated:
            self._check_version(connection)
        return connection

    def confirm(self) -> None:
        """After a commit: what was committed is where others find it.

        Raises:
            StoreUnavailable, sqlite3.Error: it is not, or nobody can tell.
        """
        if not self._files.are_same() and not self._let_go():
            raise StoreUnavailable(
                f"The task store {self._database.path!r} does not answer: it was moved, deleted or "
                "replaced while tasks were stored."
            )

    def seems_well(self) -> bool:
        """A look at the files without the write lock; False: call `mend` with it."""
        connection = self._slot.connection
        if connection is None:
            return time.monotonic() - self._tried_at < _RECONNECT_SECONDS
        return not self._is_broken and self._files.are_same() and self._files.is_known()

    def mend(self) -> None:
        """Connect anew if that is needed and possible; tells once if it is not."""
        try:
            if self._slot.connection is not None and not self.seems_well():
                self._let_go()
            self.ready()
            self._told = ""
        except (sqlite3.Error, OSError, StoreUnavailable) as exc:
            if str(exc) != self._told:
                self._told = str(exc)
                logger.warning("The task store %s: %s", self._database.path, exc)

    def others_wrote(self) -> bool:
        """Somebody else has written since this was asked last.

        Raises:
            sqlite3.Error: the connection is of no use.
        """
        connection = self._slot.connection
        if connection is None or (version := _data_version(connection)) == self._version:
            return False
        self._version = version
        try:
            self._check_version(connection)
        except StoreUnavailable as exc:
            logger.error("%s", exc)  # noqa: TRY400  (its text says all)
        return True

    def broke(self) -> None:
        """The connection gave an error after which it is not used again.

        It stays open until the write lock is held: only it may have what is to be saved.
        """
        self.leases = Leases()
        self._is_broken = True

    def _let_go(self) -> bool:
        is_safe = self._files.let_go(self._slot)
        self._is_broken = False
        # The next one may find another file, a restored one say.
        self.leases = Leases()
        return is_safe

    def _check_version(self, connection: sqlite3.Connection) -> None:
        try:
            check_version(Session(connection, self._database.texts))
        except StoreUnavailable as exc:
            self._is_outdated = True
            self._files.refuse(exc)
            raise
        self._is_outdated = False
        self._files.refuse(None)


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
