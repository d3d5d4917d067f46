"""Where tests of drivers put their stores."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["new_place"]

_MEMORY = Path("/dev/shm")  # noqa: S108  (a directory of our own is made in it)


def new_place() -> TemporaryDirectory[str]:
    """An empty directory, in memory where the system has a file system for that.

    The suites make thousands of small commits; what they prove is not the disk's.
    """
    return TemporaryDirectory(
        prefix="taskflow-", dir=_MEMORY if _MEMORY.is_dir() else None, ignore_cleanup_errors=True
    )
