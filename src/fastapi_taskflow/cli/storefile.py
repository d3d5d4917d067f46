"""The doctor's look at a SQLite store as a file: version, place, rights, room, content."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from fastapi_taskflow.backends.sqlite.filesystems import check_place
from fastapi_taskflow.backends.sqlite.lockfiles import comes_free, store_directory
from fastapi_taskflow.backends.sqlite.looks import Look
from fastapi_taskflow.backends.sqlite.older import command_for
from fastapi_taskflow.backends.sqlite.schema import VERSION
from fastapi_taskflow.cli.findings import Finding, Level
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["examine_content", "examine_file", "wal_reset_fixed"]

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


def examine_file(path: str) -> Iterator[Finding]:
    """What can be told without reading the database; ``path`` is absolute."""
    yield _sqlite_version(sqlite3.sqlite_version_info)
    yield _place(path)
    yield from _rights(Path(path))
    yield _room(Path(path))
    yield from _lock(path)


def examine_content(look: Look) -> Iterator[Finding]:
    """Reads the whole file, which takes a second or so for each gigabyte."""
    try:
        damage = look.quick_check()
    except StoreUnavailable as exc:
        damage = [str(exc)]
    if not damage:
        yield Finding("integrity", Level.OK, "Nothing in the file is damaged")
        return
    yield Finding(
        "integrity",
        Level.PROBLEM,
        f"The file is damaged: {damage[0]}"
        + (f" (and {len(damage) - 1} more)" * (len(damage) > 1)),
        "Stop all processes, keep a copy, and restore a backup; or save what can be read with "
        "`sqlite3 FILE .recover | sqlite3 NEW`.",
    )


def schema_finding(look: Look) -> Finding:
    """For a store that could be opened, which it only can at this version."""
    missing = look.missing()
    if missing:
        return Finding(
            "schema",
            Level.PROBLEM,
            f"Schema version {VERSION}, but somebody has removed {', '.join(missing)}",
            "Restore a backup, or move what is left into a new store: an index can be made "
            "again by hand (`.schema` of a new store shows how), a table's content is lost.",
        )
    return Finding("schema", Level.OK, f"Schema version {VERSION}")


def older_finding(look: Look) -> Iterator[Finding]:
    """What the older package left here, if it was not taken over."""
    found = look.older()
    if found is not None:
        yield Finding(
            "older",
            Level.WARNING,
            f"The file holds a store of the older fastapi-taskflow ({found}), which is not used",
            f"Stop the app, and take it over with `{command_for(look.path)}`.",
        )


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


def _room(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    size = sum(
        each.stat().st_size for each in (path, path.with_name(path.name + "-wal")) if each.exists()
    )
    detail = f"{_amount(free)} free on the disk; the store has {_amount(size)}"
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


def _amount(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / _MIB:.1f} MiB"
