"""All that depends on the database. Here: SQLite files; a server's is written beside it.

SQLite has one writer, so writers share one connection and begin with its lock; readers have
others and see what is committed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, NullPool, Table, event, func
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["adding", "containing", "is_full", "pulse", "reader", "writer"]

# How long a write waits for those of other processes, and for its turn in this one.
_WAIT_SECONDS = 5.0
_READERS = 4


def writer(path: Path) -> AsyncEngine:
    """One connection, whose users take turns in the order in which they came."""
    return _engine(path, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0, pool_timeout=_WAIT_SECONDS)


def reader(path: Path) -> AsyncEngine:
    """For reads alone, of what is committed when each statement begins."""
    return _engine(
        path,
        None,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=_READERS,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
    )


def pulse(path: Path) -> AsyncEngine:
    """For short writes on any event loop."""
    return _engine(path, "BEGIN IMMEDIATE", poolclass=NullPool)


def _engine(path: Path, begin: str | None, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        connect_args={"timeout": _WAIT_SECONDS},
        # Every transaction is ended by who began it.
        pool_reset_on_return=None,
        **pool,
    )

    # As SQLAlchemy's documentation of SQLite tells: the driver's own way begins too late.
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def began(connection: Connection) -> None:
        if begin is not None:
            connection.exec_driver_sql(begin)

    return engine


def adding(table: Table, key: list[str], added: list[str]) -> Insert:
    """Insert rows, or add some of their columns to the rows that have the key already."""
    insert = sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=key, set_={name: table.c[name] + insert.excluded[name] for name in added}
    )


def containing(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """The text is somewhere in the column, to the letter."""
    return func.instr(column, text) > 0


def is_full(error: DBAPIError) -> bool:
    """There is no room on the disk."""
    return getattr(error.orig, "sqlite_errorname", None) == "SQLITE_FULL"
