"""The files of a database, and what this store has open of them.

A connection goes on with files that somebody has deleted, moved or replaced: what it then
writes nobody will see. There are three that matter: the database, its log (``-wal``), which
holds what was committed last, and the log's index (``-shm``), by which processes know what is
in the log. With different ones of them two processes would destroy each other's work. So:

* Whoever has them open holds ``open.lock`` with others, and the first one writes down which
  files they are. Who comes later and finds others there waits until all have let go of
  theirs.
* A store that finds its files changed lets go of all its connections, and saves first what
  only its deleted log holds.
* A file that was put in the place of another is not opened while the other's log lies
  beside it: SQLite would put the content of the log into it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fastapi_taskflow.backends.sqlite.lockfiles import LockFile, store_directory
from fastapi_taskflow.backends.sqlite.logfiles import is_cut, save_log, size_of
from fastapi_taskflow.backends.sqlite.marks import Marks, Record, uses_index
from fastapi_taskflow.backends.sqlite.slots import Slot
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Files", "StillOpen"]

logger = logging.getLogger(__name__)

# A folder's time of change says nothing about changes that soon after it: some file systems
# count in steps of two seconds.
_SETTLED_NS = 2_500_000_000
# Every store looks at its files more often than that.
_ALL_LOOK_SECONDS = 0.25
_TOUCH = "SELECT 1 FROM sqlite_master LIMIT 1"


class StillOpen(StoreUnavailable):
    """Others have files open that are not the ones at the path any more."""


class Files:
    """What one store has open, in slots. Its writer holds the write lock for what is its own."""

    def __init__(self, path: str) -> None:
        directory = store_directory(path)
        self._path = path
        self._log = f"{path}-wal"
        self._folder = str(Path(path).parent)
        self._users = LockFile(directory / "open.lock")
        self._record = Record(directory / "files")
        # Protects the two below.
        self._mutex = threading.Lock()
        self._slots: list[Slot] = []
        # Invariant: not None only while open.lock is held, and all connections are to these.
        self._marks: Marks | None = None
        self._left: Marks | None = None
        self._users_mark: tuple[int, int, int] | None = None
        self._log_bytes = 0
        self._settled_at = -1
        self._reason: StoreUnavailable | None = None

    def slot(self) -> Slot:
        """A place for one more connection."""
        slot = Slot()
        with self._mutex:
            self._slots.append(slot)
        return slot

    def refuse(self, reason: StoreUnavailable | None) -> None:
        """Let nobody use the store for this reason, until there is none."""
        self._reason = reason

    # For every thread

    def join(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """A further connection to the same files.

        Raises:
            StoreUnavailable: the store has none, or they were changed.
            OSError: the file is gone.
        """
        self.check()
        connection = connect()
        try:
            connection.execute(_TOUCH).fetchall()
            self.check()
        except BaseException:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """The files are those that the store has open.

        Raises:
            StoreUnavailable: they are not, or there is a reason not to use them.
            OSError: the file is gone.
        """
        if self._reason is not None:
            raise self._reason
        if Marks.at(self._path) != self._marks:
            raise self._changed()

    # For the writer

    @property
    def entered(self) -> bool:
        """The store has files open."""
        return self._marks is not None

    def enter(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """The writer's connection, which is the first of this store.

        Raises:
            StillOpen: other processes have yet to let go of other files.
            StoreUnavailable: another file's log lies beside this one.
            sqlite3.Error, OSError: it cannot be opened.
        """
        if self._marks is not None:
            return self.join(connect)
        is_first = self._users.try_lock()
        try:
            connection, marks = self._first(connect, is_first=is_first)
        except BaseException:
            self._users.close()
            raise
        self._log_bytes = 0
        with self._mutex:
            self._marks = marks
        return connection

    def _first(
        self, connect: Callable[[], sqlite3.Connection], *, is_first: bool
    ) -> tuple[sqlite3.Connection, Marks]:
        is_new = self._left is not None and self._users.mark() != self._users_mark
        if is_new and self._users.age() < _ALL_LOOK_SECONDS:
            # The old one is gone: nobody can see who has what open, but all look.
            raise self._changed()
        before = Marks.at(self._path)
        self._check_record(before, is_first=is_first)
        connection = connect()
        try:
            return connection, self._settle(connection, before, is_first=is_first)
        except BaseException:
            connection.close()
            raise

    def _settle(self, connection: sqlite3.Connection, before: Marks, *, is_first: bool) -> Marks:
        connection.execute(_TOUCH).fetchall()
        marks = Marks.at(self._path)
        if marks.file != before.file or not (is_first or marks == before):
            raise self._changed()
        if self._left is not None and not uses_index(self._path):
            raise StillOpen(
                f"The task store {self._path!r} does not answer: files beside it were changed, "
                "and this process has another connection to the old ones. Close it."
            )
        if is_cut(connection, self._log):
            raise self._changed()
        if is_first:
            self._record.write(marks)
        if not self._users.share():
            raise self._changed()
        self._users_mark = self._users.mark()
        return marks

    def _check_record(self, before: Marks, *, is_first: bool) -> None:
        known = self._record.read() or (self._left if is_first else before)
        if known is None:
            return
        if not is_first:
            if known != before:
                raise StillOpen(
                    f"The task store {self._path!r} does not answer: it or its log was replaced, "
                    "and another process has the old one open. End it if that does not pass."
                )
        elif self._left is not None and known.has_lost_its_log(before) and size_of(self._log) > 0:
            # Since all have let go somebody has put another there: it is of another time.
            Path(self._log).unlink(missing_ok=True)
        # An empty file is a new one, and SQLite deletes what lies beside that.
        elif known.has_left_its_log(before) and size_of(self._path) > 0:
            raise StoreUnavailable(
                f"The task store {self._path!r} was replaced, and the log of the old one lies "
                f"beside it, which would be put into the new one. Delete {self._log!r} and "
                f"'{self._path}-shm', with what the old one had stored last. To restore a "
                'backup use `sqlite3 FILE ".restore BACKUP"`, or stop the app first.'
            )

    def is_same_log(self, connection: sqlite3.Connection) -> bool:
        """What is committed now will be in the log that others read. One system call."""
        marks = self._marks
        try:
            found = os.stat(self._log)  # noqa: PTH116  (called for each commit)
        except OSError:
            return False
        if marks is None or (found.st_dev, found.st_ino) != marks.log:
            return False
        if found.st_size < self._log_bytes and is_cut(connection, self._log):
            logger.critical(
                "The log of the task store %s was cut short: its end is lost", self._path
            )
            return False
        self._log_bytes = found.st_size
        return True

    def is_known(self) -> bool:
        """Others can see that the files are open here."""
        return self._marks is None or self._users.is_current()

    def are_same(self) -> bool:
        """All files still have their names. One system call if nothing in their folder changes."""
        try:
            changed_at = os.stat(self._folder).st_mtime_ns  # noqa: PTH116  (as above)
            if changed_at == self._settled_at:
                return True
            now = time.time_ns()
            if Marks.at(self._path) != self._marks:
                return False
        except OSError:
            return False
        if now - changed_at > _SETTLED_NS:
            self._settled_at = changed_at
        return True

    def let_go(self, own: Slot) -> bool:
        """Close all connections, and save what only a deleted log holds.

        Args:
            own: The writer's.

        Returns:
            True: what was committed is in the file at the path.

        Raises:
            StoreUnavailable, sqlite3.Error, OSError: not now; ``own`` stays open for it.
        """
        with self._mutex:
            if self._marks is not None:
                self._left, self._marks = self._marks, None
            others = [slot for slot in self._slots if slot is not own]
        self._settled_at = -1
        for slot in others:
            slot.drop()
        is_safe = self._save(own.connection)
        own.close()
        self._leave()
        return is_safe

    def _save(self, connection: sqlite3.Connection | None) -> bool:
        left = self._left
        # While there is no database at all it may come back, without the log.
        now = Marks.at(self._path)
        if left is None or now.file != left.file:
            return False
        if now.log == left.log:
            return True
        # Whoever writes to another log has made an index of it.
        has_other_writer = now.shared not in (None, left.shared) and size_of(self._log) > 0
        if connection is None or has_other_writer:
            logger.critical(
                "The log of the task store %s was replaced, and another program has written "
                "since: what this process stored last is lost",
                self._path,
            )
            return False
        return save_log(connection, self._path, foreign=size_of(self._log) > 0)

    def close(self) -> None:
        """Close what is open. Idempotent."""
        with self._mutex:
            self._marks = None
        for slot in self._slots:
            slot.drop()
        self._leave()

    def _leave(self) -> None:
        # The last one to close has deleted the log, and another may get its mark.
        with suppress(OSError):
            known, now = self._record.read(), Marks.at(self._path)
            if known and known.file == now.file and now.log is None and self._users.try_lock():
                self._record.write(now)
        self._users.close()

    def _changed(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"The task store {self._path!r} does not answer: the file or its log was moved, "
            "deleted or replaced. What comes in its place is used from now on."
        )
