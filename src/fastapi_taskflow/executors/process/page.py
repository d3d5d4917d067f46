"""A byte of memory that a child shares with its parent, and that outlives whoever dies.

In it the child says that a call has begun. On a pipe that would take both of them a system call
for each call, and the parent looks only when the child is gone.
"""

from __future__ import annotations

import mmap
import os
import tempfile

__all__ = ["Page", "new_file"]


class Page:
    """One side's view of a file of `new_file`, which it needs no longer."""

    def __init__(self, file: int) -> None:
        self._byte = mmap.mmap(file, 1)
        self.close = self._byte.close

    def mark(self) -> None:
        """In the child: a call has begun."""
        self._byte[0] = 1

    def turn(self) -> bool:
        """In the parent: it was marked since this was last asked."""
        marked = self._byte[0]
        self._byte[0] = 0
        return bool(marked)


def new_file() -> int:
    """A file in memory, where the system has such files; its number, for who closes it.

    Raises:
        OSError: there is none to be had.
    """
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("taskflow")
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    os.truncate(file, 1)
    return file
