"""A store as a file, without a look into it: SQLite's version, place, rights, room, locks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from fastapi_taskflow.backends.base import Finding, Level
from fastapi_taskflow.backends.sqlite.filesystems import check_place
from fastapi_taskflow.backends.sqlite.lockfiles import comes_free, store_directory
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["amount", "examine_place", "room", "wal_reset_fixed"]

_MIB = 2**20
# Below the first new tasks are refused (SEMANTICS, Store outage).
_LEAST_FREE_BYTES = 64 * _MIB
_LITTLE_FREE_BYTES = 512 * _MIB
# A write takes milliseconds.
_LOCK_SECONDS = 1.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def wal_reset_fixed(version: tuple[int, int, int]) -> bool:
    """This SQLite cannot lose pages when several processes write (the WAL-reset bug)."""
    return (
        version >= (3, 51, 3)
        or (3, 50, 7) <= version < (3, 51, 0)
        or (3, 44, 6) <= version < (3, 45, 0)
    )


def examine_place(path: str) -> Iterator[Finding]:
    """All findings; ``path`` is absolute, and there is a file."""
    yield _sqlite_version(sqlite3.sqlite_version_info)
    yield _place(path)
    yield from _rights(Path(path))
    yield from _lock(path)


def _sqlite_version(version: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, version))
    if version < (3, 35, 0):
        return Finding(
            "sqlite",
            Level.PROBLEM,
            f"SQLite {text} is too old; 3.35 is the least",
            "Use a Python with a newer SQLite.",
        )
    if wal_reset_fixed(version):
        return Finding("sqlite", Level.OK, f"SQLite {text}")
    return Finding(
        "sqlite",
        Level.NOTE,
        f"SQLite {text} has the WAL-reset bug, which can lose data when several processes "
        "write. This library keeps it away with a lock of its own; other programs do not",
        "Let no other program write to this file, or use a Python with SQLite 3.51.3 or later "
        "everywhere.",
    )


def _place(path: str) -> Finding:
    try:
        check_place(path)
    except ConfigurationError as exc:
        return Finding(
            "filesystem", Level.PROBLEM, str(exc), "Move the store to a disk of this machine."
        )
    return Finding("filesystem", Level.OK, "On a file system of this machine")


def _rights(path: Path) -> Iterator[Finding]:
    blocked = [str(each) for each in (path, path.parent) if not os.access(each, os.W_OK)]
    if blocked:
        yield Finding(
            "permissions",
            Level.PROBLEM,
            f"This user cannot write to {', '.join(blocked)}",
            "Run as the user of the app, or give that user the file and its directory (SQLite "
            "makes files beside it).",
        )
    mode = path.stat().st_mode
    if os.name == "posix" and mode & _OTHERS:
        yield Finding(
            "permissions",
            Level.WARNING,
            f"Other users may read the file (mode {stat.S_IMODE(mode):o}), with all arguments",
            f"chmod 600 {path} (and its -wal and -shm)",
        )
    elif not blocked:
        yield Finding("permissions", Level.OK, "Writable, and closed to other users")


def room(path: Path) -> Finding:
    """Whether the disk has room; ``path`` is the file's."""
    free = shutil.disk_usage(path.parent).free
    size = sum(
        each.stat().st_size for each in (path, path.with_name(path.name + "-wal")) if each.exists()
    )
    detail = f"{amount(free)} free on the disk; the store has {amount(size)}"
    if free < _LEAST_FREE_BYTES:
        return Finding(
            "disk", Level.PROBLEM, f"{detail}. New tasks are refused below 64 MiB", "Make room."
        )
    if free < _LITTLE_FREE_BYTES:
        return Finding("disk", Level.WARNING, detail, "Make room: below 64 MiB tasks are refused.")
    return Finding("disk", Level.OK, detail)


def _lock(path: str) -> Iterator[Finding]:
    """Whether somebody sits on the right to write. Without a log nobody has the file open."""
    if not Path(f"{path}-wal").exists():
        return
    if not comes_free(store_directory(path) / "write.lock", _LOCK_SECONDS):
        holder = "A process of this library"
    elif not comes_free(Path(f"{path}-shm"), _LOCK_SECONDS, sqlite_writer=True):
        holder = "Another program"
    else:
        return
    yield Finding(
        "lock",
        Level.PROBLEM,
        f"{holder} holds the write lock for longer than any write takes",
        f"Find it with `fuser -v {path}`: it is stopped (a debugger, SIGSTOP), or forgot "
        "an open transaction. Let it go on, or end it.",
    )


def amount(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / _MIB:.1f} MiB"
