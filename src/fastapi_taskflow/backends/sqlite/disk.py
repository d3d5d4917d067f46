"""Room on the disk: new tasks are refused before the old ones have nowhere to end.

A reserve file stands beside the database. When a write finds the disk full all the same,
the reserve goes, and outcomes and heartbeats have room while somebody cleans up.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from fastapi_taskflow.words.errors import StoreFull

__all__ = ["Disk"]

logger = logging.getLogger(__name__)

# SEMANTICS, Store outage.
_LEAST_FREE_BYTES = 64 * 2**20
# One write-ahead log up to its checkpoint.
_RESERVE_BYTES = 16 * 2**20
_LOOK_SECONDS = 0.25


class Disk:
    """The disk under one database.

    Args:
        directory: Where the reserve file goes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reserve = directory / "reserve"
        self._looked_at = float("-inf")
        self._free_bytes = 0
        # Writes that found no room since one that did.
        self._failures = 0

    def admit(self) -> None:
        """Check that there is room for new tasks.

        Raises:
            StoreFull: less than 64 MiB are free.
        """
        now = time.monotonic()
        if now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            self._free_bytes = self._free()
        if self._free_bytes < _LEAST_FREE_BYTES:
            raise StoreFull(
                f"The disk under the task store has {self._free_bytes // 2**20} MiB left; new "
                f"tasks are refused below {_LEAST_FREE_BYTES // 2**20} MiB. Make room on it."
            )

    def keep_reserve(self) -> None:
        """Make the reserve file if it is missing and there is room for it."""
        with suppress(OSError):
            if self._reserve.exists() or self._free() < _LEAST_FREE_BYTES + _RESERVE_BYTES:
                return
            self._directory.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
            finally:
                os.close(descriptor)

    def found_full(self) -> bool:
        """A write found no room; True if there may be some now, because the reserve is gone."""
        self._failures += 1
        if self._failures == 1:
            logger.error(
                "The disk under the task store in %s is full: new tasks are refused, ends of "
                "tasks wait for room. Make some",
                self._directory.parent,
            )
        return self.release_reserve()

    def found_room(self) -> None:
        """A write went well."""
        if self._failures:
            logger.warning(
                "The task store in %s has room again, after %d writes that failed",
                self._directory.parent,
                self._failures,
            )
            self._failures = 0

    def release_reserve(self) -> bool:
        """Remove the reserve file; True if there was one."""
        self._looked_at = float("-inf")
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _free(self) -> int:
        if not hasattr(os, "statvfs"):  # pragma: no cover  (Windows)
            return _LEAST_FREE_BYTES + _RESERVE_BYTES
        found = os.statvfs(self._directory.parent)
        return found.f_bavail * found.f_frsize
