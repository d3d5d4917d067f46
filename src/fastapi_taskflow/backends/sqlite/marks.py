"""Which files they are, whatever their names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, Self

__all__ = ["Mark", "Marks", "Record", "uses_index"]


class Mark(NamedTuple):
    """One file, which nobody else has while it has a name or somebody has it open."""

    device: int
    inode: int


class Marks(NamedTuple):
    """The database, its log, and the log's index in shared memory."""

    file: Mark
    log: Mark | None
    shared: Mark | None

    @classmethod
    def at(cls, path: str) -> Self:
        """Those that are there now.

        Raises:
            OSError: there is no database.
        """
        return cls(_mark(path), _mark_if_any(f"{path}-wal"), _mark_if_any(f"{path}-shm"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` made into a text.

        Raises:
            ValueError: it is none.
        """
        file, log, shared = [_parsed(word) for word in text.split()]
        if file is None:
            raise ValueError("There is no mark of a database in it.")
        return cls(file, log, shared)

    def to_text(self) -> str:
        """As numbers, for another process."""
        return " ".join("-" if one is None else f"{one.device}:{one.inode}" for one in self)

    def has_lost_its_log(self, now: Marks) -> bool:
        """Another log, or none, lies beside the same database."""
        return now.file == self.file and now.log != self.log

    def has_left_its_log(self, now: Marks) -> bool:
        """Another database has its place, and its log still lies there."""
        return now.file != self.file and self.log is not None and now.log == self.log


class Record:
    """Marks in a file, for other processes; whoever writes them has a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Marks | None:
        """Those that were written last, None if that cannot be told."""
        try:
            return Marks.from_text(self._path.read_text())
        except (OSError, ValueError):
            return None

    def write(self, marks: Marks) -> None:
        """Raises OSError."""
        self._path.write_text(marks.to_text())


def uses_index(path: str) -> bool:
    """This process, which has the database at ``path`` open, uses the index that lies there.

    All connections of a process share one, and a new connection gets an old one that another
    still uses, though its file was deleted. True where nothing can be told.
    """
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return True
    return any(line.endswith(f" {path}-shm") for line in maps.splitlines())


def _mark(path: str) -> Mark:
    found = os.stat(path)  # noqa: PTH116  (called often)
    return Mark(found.st_dev, found.st_ino)


def _mark_if_any(path: str) -> Mark | None:
    try:
        return _mark(path)
    except OSError:
        return None


def _parsed(word: str) -> Mark | None:
    if word == "-":
        return None
    device, inode = word.split(":")
    return Mark(int(device), int(inode))
