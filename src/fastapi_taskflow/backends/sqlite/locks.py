"""Locks between processes: who may write now, and who is alive.

Both are ``flock`` on files in a directory beside the database. A lock belongs to an open
file, not to a process: two managers in one process exclude each other like two processes,
and the kernel frees the lock of whoever dies. Where there is no ``flock`` (Windows) the
write lock is SQLite's alone and liveness is told by heartbeats alone.

Not on the database file itself: closing any descriptor of it would drop SQLite's locks.
"""

from __future__ import annotations

import hashlib
import os
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi_taskflow.errors import StoreUnavailable

fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None

__all__ = ["LifeLocks", "LockFile", "WriteLock", "comes_free", "store_directory"]

_FIRST_PAUSE_SECONDS = 0.00005
# A write transaction takes 0.2 to 5 ms; to look more often only heats the processor.
_LONGEST_PAUSE_SECONDS = 0.001
# After so many turns in a row a busy process lets those that wait go first.
_TURNS_IN_A_ROW = 8
# Whoever has a turn needs it for as long as one write takes. One that is longer in the same
# hands is in those of a stopped process.
_TURN_SECONDS = 0.2
# Whoever was away longer than this has left the others time enough.
_AWAY_SECONDS = 0.005
# Somebody may delete our files; then two processes would lock different ones.
_RECHECK_SECONDS = 1.0
# Others hold an instance's lock only while they ask whether they can.
_ENLIST_SECONDS = 2.0
_LONGEST_NAME = 150
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
            time.sleep(_LONGEST_PAUSE_SECONDS)
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

    def wait_lock(self, deadline: float) -> bool:
        """Take the lock; False if it was not free until ``deadline`` (`time.monotonic`).

        The kernel's own waiting has no deadline, and a holder may be stopped for ever.
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self.try_lock():
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return True

    def unlock(self) -> None:
        """Let go of the lock, keep the file open."""
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_current(self) -> bool:
        """The open file is still the one that others find under its path."""
        if fcntl is None:  # pragma: no cover  (Windows)
            return True
        try:
            found = self._path.stat()
        except FileNotFoundError:
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


class WriteLock:
    """One writer at a time on one database, among all processes that use this library.

    SQLite before 3.51.3 (but not 3.44.6, nor 3.50.7) can lose pages when one connection
    resets the write-ahead log while another checkpoints it. Nobody who holds this lock
    around every write, checkpoint and close can meet that. It is taken with every version
    of SQLite, because one old process is enough, because it costs two system calls, and
    because it is fairer and quicker than SQLite's own wait.

    Each thread needs an object of its own.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = LockFile(directory / "write.lock")
        # Whoever waits for the lock holds the turn: so two that write without a pause
        # cannot keep out a third. It is an aid: nobody who may write waits long for it.
        self._turn = LockFile(directory / "turn.lock")
        self._turns = 0
        # Since it was waited for in vain nobody has seen the turn free.
        self._turn_is_stuck = False
        self._released_at = self._checked_at = 0.0

    @contextmanager
    def held(self, seconds: float) -> Iterator[None]:
        """Write inside.

        Raises:
            StoreUnavailable: the lock was not free within ``seconds``.
        """
        self._acquire(seconds)
        try:
            yield
        finally:
            self._released_at = time.monotonic()
            self._lock.unlock()

    def _acquire(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self._released_at > _AWAY_SECONDS:
            self._turns = 0
        self._turns += 1
        if self._turns > _TURNS_IN_A_ROW or not self._lock.try_lock():
            self._queue(now + seconds)
        if now - self._checked_at > _RECHECK_SECONDS:
            self._checked_at = now
            if not self._lock.is_current():
                self.close()
                self._queue(now + seconds)

    def _queue(self, deadline: float) -> None:
        self._turns = 0
        has_turn = self._take_turn(deadline)
        try:
            if not self._lock.wait_lock(deadline):
                raise _stuck()
        finally:
            if has_turn:
                self._turn.unlock()

    def _take_turn(self, deadline: float) -> bool:
        """False: somebody keeps it who may be stopped, and it counts for nothing."""
        patience = 0.0 if self._turn_is_stuck else _TURN_SECONDS
        try:
            has_turn = self._turn.wait_lock(min(deadline, time.monotonic() + patience))
        except OSError:  # something else has its name
            has_turn = False
        self._turn_is_stuck = not has_turn
        return has_turn

    def close(self) -> None:
        """Close the files. Idempotent."""
        self._lock.close()
        self._turn.close()


def _stuck() -> StoreUnavailable:
    return StoreUnavailable(
        "Another process has held the task store's write lock for too long: it is stopped, "
        "or its disk does not answer."
    )


class LifeLocks:
    """Who is alive on this host: each instance holds the lock of a file of its own.

    Args:
        directory: Of the database's lock files.
        prefix: The table prefix, which keeps stores in one database apart.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        self._directory = directory
        self._prefix = prefix
        self._held: dict[str, LockFile] = {}

    def take(self, instance: str) -> None:
        """Hold an instance's lock until `drop`, `close` or the end of this process.

        Raises:
            StoreUnavailable: somebody else holds it.
        """
        if instance in self._held:
            return
        deadline = time.monotonic() + _ENLIST_SECONDS
        lock = LockFile(self._path(instance))
        # A file that was removed as a leftover meanwhile is no proof of life: once more.
        while not (lock.try_lock() and lock.is_current()):
            lock.close()
            if time.monotonic() >= deadline:
                raise StoreUnavailable(f"The life lock of instance {instance!r} is held already.")
            time.sleep(_LONGEST_PAUSE_SECONDS)
        self._held[instance] = lock
        self._sync()

    def drop(self, instance: str) -> None:
        """Let go of an instance's lock."""
        lock = self._held.pop(instance, None)
        if lock is not None:
            lock.close()

    def free(self, instances: Iterable[str]) -> frozenset[str]:
        """Those whose lock nobody holds. A missing file proves nothing."""
        return frozenset(one for one in instances if _is_free(self._path(one)))

    def forget(self, instance: str) -> None:
        """Remove the file of an instance that has no row any more."""
        self._path(instance).unlink(missing_ok=True)

    def sweep(self, known: Iterable[str]) -> None:
        """Remove files of instances that are neither known nor alive."""
        kept = {self._path(one).name for one in known}
        for path in self._directory.glob(f"{self._prefix}*.alive"):
            if path.name in kept:
                continue
            lock = LockFile(path)
            # Held while it is removed, so that whoever makes it anew sees that it is gone.
            if lock.try_lock() and lock.is_current():
                path.unlink(missing_ok=True)
            lock.close()

    def close(self) -> None:
        """Let go of all locks; the files stay and prove the end. Idempotent."""
        for instance in list(self._held):
            self.drop(instance)

    def _path(self, instance: str) -> Path:
        name = quote(instance, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(instance.encode()).hexdigest()
        return self._directory / f"{self._prefix}{name}.alive"

    def _sync(self) -> None:
        # So that after a power failure the file is there as surely as the row.
        with suppress(OSError):
            descriptor = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _is_free(path: Path) -> bool:
    if fcntl is None:  # pragma: no cover  (Windows)
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared: several that ask at once must not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
