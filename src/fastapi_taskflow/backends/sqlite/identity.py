"""Is the file under a connection still the one that others find under its path?

On POSIX a connection goes on with a file that somebody has deleted, moved or replaced (to
restore a backup, say): what it then writes nobody will see.
"""

from __future__ import annotations

import time
from pathlib import Path

from fastapi_taskflow.errors import StoreUnavailable

__all__ = ["Identity"]

_CHECK_SECONDS = 0.05


class Identity:
    """Of the database file at ``path``; for one connection, used in one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: tuple[int, int] | None = None
        self._checked_at = float("-inf")

    def remember(self) -> None:
        """A connection was made to the file that is there now."""
        self._file = self._found()
        self._checked_at = time.monotonic()

    def check(self) -> None:
        """Compare, now and then.

        Raises:
            StoreUnavailable: there is another file now.
            OSError: there is none.
        """
        now = time.monotonic()
        if now - self._checked_at < _CHECK_SECONDS:
            return
        self._checked_at = now
        if self._found() != self._file:
            self._checked_at = float("-inf")
            raise StoreUnavailable(
                f"The task store {str(self._path)!r} does not answer: the file was moved, deleted "
                "or replaced. What comes in its place is used from now on."
            )

    def _found(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino
