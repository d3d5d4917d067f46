"""Locks between processes: ``flock`` on files in a directory beside the database.

A lock belongs to an open file, not to a process: two managers in one process exclude each
other like two processes, and the kernel frees the lock of whoever dies. Where there is no
``flock`` (Windows) the write lock is SQLite's alone and liveness is told by heartbeats alone.

Not on the database file itself: closing any descriptor of it would drop SQLite's locks.
"""

from __future__ import annotations

import os
import time
import weakref
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None

__all__ = ["PAUSE_SECONDS", "LockFile", "comes_free", "store_directory"]

_FIRST_PAUSE_SECONDS = 0.00005
PAUSE_SECONDS = 0.001
"""A write transaction takes 0.2 to 5 ms; to look more often only heats the processor."""

# Where in the shared memory SQLite locks the right to write to the log (its file format).
_SQLITE_WRITER_BYTE = 120


def store_directory(path: str) -> Path:
    """Where the files of this library beside the database at ``path`` are."""
    return Path(path + "-taskflow")


def comes_free(path: Path, seconds: float, *, sqlite_writer: bool = False) -> bool:
    """A lock is free within so many seconds, as far as can be told; nothing is created.

    Args:
        sqlite_writer: It is SQLite's lock on writing, in the shared memory at ``path``. Not for
            a process that has the database open: that would lose its own locks.
    """
    if fcntl is None:  # pragma: no cover  (Windows)
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there is none, or no right to it
        return True
    deadline = time.monotonic() + seconds
    try:
        while not _try(descriptor, sqlite_writer=sqlite_writer):
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE_SECONDS)
    finally:
        os.close(descriptor)
    return True


def _try(descriptor: int, *, sqlite_writer: bool) -> bool:
    try:
        if sqlite_writer:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SQLITE_WRITER_BYTE)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


class LockFile:
    """One lock on one file; the file is made when it is missing.

    For one thread at a time. A forked child keeps no part in the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Invariant: an open descriptor of our own, or -1.
        self._descriptor = -1
        _in_this_process.add(self)

    def try_lock(self) -> bool:
        """Take the lock if nobody has it."""
        if fcntl is None:  # pragma: no cover  (Windows)
            return True
        if self._descriptor < 0:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> bool:
        """Hold the lock with others that do; False if somebody has it alone."""
        if fcntl is None:  # pragma: no cover  (Windows)
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_lock(self, deadline: float) -> bool:
        """Take the lock; False if it was not free until ``deadline`` (`time.monotonic`).

        The kernel's own waiting has no deadline, and a holder may be stopped for ever.
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self.try_lock():
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS)
        return True

    def unlock(self) -> None:
        """Let go of the lock, keep the file open."""
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def mark(self) -> tuple[int, int, int]:
        """What tells the open file from others of its name; nobody writes to it."""
        if self._descriptor < 0:  # pragma: no cover  (Windows)
            return 0, 0, 0
        found = os.fstat(self._descriptor)
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def age(self) -> float:
        """Seconds since the open file was made."""
        return time.time() - os.fstat(self._descriptor).st_mtime

    def is_current(self) -> bool:
        """The open file is still the one that others find under its path."""
        if fcntl is None:  # pragma: no cover  (Windows)
            return True
        if self._descriptor < 0:
            return False
        try:
            found = self._path.stat()
        except OSError:
            return False
        mine = os.fstat(self._descriptor)
        return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)

    def close(self) -> None:
        """Let go of lock and file. Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


_in_this_process: weakref.WeakSet[LockFile] = weakref.WeakSet()


def _leave_locks_to_the_parent() -> None:
    # A child with the parent's descriptors would keep it alive after its death.
    # Closing is enough, and unlocking would be wrong: the lock is shared.
    for lock in list(_in_this_process):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_locks_to_the_parent)
