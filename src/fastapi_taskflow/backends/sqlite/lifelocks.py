"""Life locks: who is alive on this host."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi_taskflow.backends.sqlite.lockfiles import PAUSE_SECONDS, LockFile
from fastapi_taskflow.words.errors import StoreUnavailable

fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None

__all__ = ["LifeLocks"]

# Others hold an instance's lock only while they ask whether they can.
_ENLIST_SECONDS = 2.0
_LONGEST_NAME = 150


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
            time.sleep(PAUSE_SECONDS)
        self._held[instance] = lock
        self._sync()

    def drop(self, instance: str) -> None:
        """Let go of an instance's lock."""
        lock = self._held.pop(instance, None)
        if lock is not None:
            lock.close()

    def renew(self) -> None:
        """Make files anew that somebody has deleted, or nobody would notice a death soon."""
        for instance, lock in list(self._held.items()):
            if lock.is_current():
                continue
            new = LockFile(self._path(instance))
            if new.try_lock() and self._held.get(instance) is lock:
                self._held[instance] = new
                lock.close()
            else:
                new.close()

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
