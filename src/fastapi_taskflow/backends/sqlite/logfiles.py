"""The write-ahead log as a file: cut short, or deleted while its content is needed."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from fastapi_taskflow.backends.sqlite.faults import is_full, loses_connection
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["is_cut", "save_log", "size_of"]

logger = logging.getLogger(__name__)

# SQLite's file format: of the log, and of each page in it.
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def is_cut(connection: sqlite3.Connection, log: str) -> bool:
    """The log is shorter than SQLite believes, so that what is written next would be lost.

    Call it with the write lock. It brings pages of the log back into the database.
    """
    try:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        size = Path(log).stat().st_size
    except sqlite3.Error as exc:
        if not loses_connection(exc) or is_full(exc):
            return False
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            # A page that should be there is not.
            return True
        raise
    needed = _LOG_HEADER_BYTES + pages * (_FRAME_HEADER_BYTES + page_bytes)
    return bool(pages > 0 and size < needed)


def save_log(connection: sqlite3.Connection, path: str, *, foreign: bool) -> bool:
    """Bring all of a log that has lost its name back into the database at ``path``.

    Call it with the write lock.

    Args:
        foreign: Another log has its name, which is deleted: it would be put into the
            database at the next start.

    Returns:
        False: it is lost.

    Raises:
        StoreUnavailable, sqlite3.Error: there is no room, or a reader is in the way; try again.
    """
    try:
        busy, pages, done = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as exc:
        if is_full(exc) or not loses_connection(exc):
            raise
        logger.critical(
            "The log of the task store %s was deleted or replaced while in use, and could not "
            "be saved: what was stored last is lost (%s)",
            path,
            exc,
        )
        return False
    if busy and done < pages:
        raise StoreUnavailable(
            f"The task store {path!r} does not answer: its log was deleted or replaced, and "
            "cannot be saved while another connection reads."
        )
    if foreign:
        Path(f"{path}-wal").unlink(missing_ok=True)
    logger.warning(
        "The log of the task store %s was deleted or replaced while in use; what it held has "
        "been saved into the database",
        path,
    )
    return True


def size_of(path: str) -> int:
    """In bytes; 0 if there is none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
