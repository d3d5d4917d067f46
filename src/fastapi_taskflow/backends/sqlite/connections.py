"""Connections to the database file: how they are opened, and with which settings."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from fastapi_taskflow.backends.sqlite.filesystems import check_place
from fastapi_taskflow.backends.sqlite.statements import Texts
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["WRITE_SECONDS", "Database"]

# UPDATE ... FROM is of 3.33, RETURNING of 3.35.
_OLDEST = (3, 35)

WRITE_SECONDS = 2.0
"""How long a write waits for a lock before the store counts as unavailable (SEMANTICS)."""

# Pages of 4 KiB between checkpoints. SQLite's own 1,000 would sync the database file every
# 4,000 tasks or so; 16 MB of log cost nothing but a moment at the next start.
_CHECKPOINT_PAGES = 4000
_CACHE_KIB = 16_384
_PREPARED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Which file, in which way.

    Attributes:
        path: As given; `resolved` before it is opened.
        synchronous: ``FULL`` or ``NORMAL``, for connections that write tasks.
    """

    path: str
    synchronous: str
    texts: Texts

    def resolved(self) -> Database:
        """The same with an absolute path without symbolic links.

        Fixed when the store is opened: all processes agree on the lock files, and a later
        change of the working directory changes nothing.
        """
        return replace(self, path=os.path.realpath(self.path))

    def prepare(self) -> None:
        """Check the place and create the file if it is missing, readable by its owner only.

        Raises:
            ConfigurationError: the place, the file's type or SQLite's version will not do.
            OSError: the file cannot be created.
        """
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(
                f"SqliteBackend needs SQLite {'.'.join(map(str, _OLDEST))} or later; this Python "
                f"has {sqlite3.sqlite_version}."
            )
        check_place(self.path)
        # SQLite gives the log and the shared memory beside it the same permissions. A file
        # that exists is never opened here: closing it again would drop SQLite's locks.
        with suppress(FileExistsError):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(self.path, flags, 0o600))

    def writer(self, *, synchronous: str | None = None) -> sqlite3.Connection:
        """A connection for writes, in WAL mode. The file must exist.

        Raises:
            sqlite3.Error: it cannot be opened.
            StoreUnavailable: the database does not take WAL mode.
        """
        connection = self._connect("rw")
        try:
            self._set_up(connection, synchronous or self.synchronous)
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self) -> sqlite3.Connection:
        """A connection that cannot write. The file must exist.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        connection = self._connect("rw")
        connection.execute("PRAGMA query_only = ON")
        return connection

    @property
    def is_still(self) -> bool:
        """Nobody has it open: whoever has keeps a log beside it."""
        return not Path(f"{self.path}-wal").exists()

    def onlooker(self) -> sqlite3.Connection:
        """A connection for a look from outside, which makes no file. The file must exist.

        If `is_still`, what others write from now on may show up halfway.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        # Without being told that the file does not change SQLite would make a log of its own.
        return self._connect("ro&immutable=1" if self.is_still else "ro")

    def _set_up(self, connection: sqlite3.Connection, synchronous: str) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnavailable(
                f"The task store {self.path!r} stays in journal mode {mode!r}; it needs WAL."
            )
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def _connect(self, mode: str) -> sqlite3.Connection:
        # Each is used by one thread at a time, but closed by another.
        return sqlite3.connect(
            f"file:{quote(self.path)}?mode={mode}",
            uri=True,
            timeout=WRITE_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_PREPARED,
        )
