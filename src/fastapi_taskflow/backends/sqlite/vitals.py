"""The state of a store's file, without a look at what is in it: room, write-ahead log, pages."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fastapi_taskflow.backends.base import Finding, Level
from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.faults import translated
from fastapi_taskflow.backends.sqlite.onlookers import check_there
from fastapi_taskflow.backends.sqlite.placecheck import amount, room

__all__ = ["vitals"]

# It is begun anew after 16 MiB, unless somebody still reads what is in it.
_LONG_LOG_BYTES = 256 * 2**20
# Then more than half of the file is worth giving back.
_EMPTY_BYTES = 256 * 2**20


def vitals(database: Database) -> list[Finding]:
    """All findings, see `Backend.vitals`; blocks."""
    database = database.resolved()
    check_there(database.path)
    try:
        with closing(database.onlooker()) as connection:
            free, pages, size = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("freelist_count", "page_count", "page_size")
            )
    except sqlite3.Error as exc:
        raise translated(exc, database.path) from exc
    return [room(Path(database.path)), _log(database.path), _pages(free * size, pages * size)]


def _log(path: str) -> Finding:
    try:
        size = Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        size = 0
    detail = f"The write-ahead log has {amount(size)}"
    if size < _LONG_LOG_BYTES:
        return Finding("log", Level.OK, detail)
    mend = (
        f"Somebody reads for long, a backup or another program: `fuser -v {path}` names it. The "
        "log becomes short again when its transaction ends."
    )
    return Finding("log", Level.WARNING, detail, mend)


def _pages(free: int, size: int) -> Finding:
    detail = f"{amount(free)} of {amount(size)} are free for new tasks"
    if free < _EMPTY_BYTES or 2 * free < size:
        return Finding("pages", Level.OK, detail)
    mend = "They are used again. To give them back, stop all processes and `sqlite3 FILE VACUUM`."
    return Finding("pages", Level.NOTE, detail, mend)
