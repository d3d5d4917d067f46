"""All that depends on the database. Here: SQLite files; a server's is written beside it.

SQLite has one writer, so writers share one connection and begin with its lock; readers have
others and see what is committed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["adding", "containing", "is_full", "pulse", "reader", "writer"]

# How long a write waits for those of other processes, and for its turn in this one.
_WAIT_SECONDS = 5.0


def writer(path: Path) -> AsyncEngine:
    """One connection, whose users take turns in the order in which they came."""
    return _writing(_engine(path, pool_size=1, max_overflow=0, pool_timeout=_WAIT_SECONDS))


def pulse(path: Path) -> AsyncEngine:
    """For short writes on any event loop."""
    return _writing(_engine(path, poolclass=sa.NullPool))


def reader(path: Path) -> AsyncEngine:
    """For reads alone, of what is committed when each statement begins."""
    of = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    return _engine(path, pool_reset_on_return=None, pool_timeout=_WAIT_SECONDS, **of)


def _engine(path: Path, **how: Any) -> AsyncEngine:
    url = f"sqlite+aiosqlite:///{path}"
    engine = create_async_engine(url, connect_args={"timeout": _WAIT_SECONDS}, **how)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # As SQLAlchemy's documentation tells: the driver would begin by itself, too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine


def _writing(engine: AsyncEngine) -> AsyncEngine:
    @sa.event.listens_for(engine.sync_engine, "begin")
    def began(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def adding(table: sa.Table, key: list[str], added: list[str]) -> sa.Insert:
    """Insert rows, or add some of their columns to the rows that have the key already."""
    insert = sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=key, set_={name: table.c[name] + insert.excluded[name] for name in added}
    )


def containing(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """The text is somewhere in the column, to the letter."""
    return sa.func.instr(column, text) > 0


def is_full(error: DBAPIError) -> bool:
    """There is no room on the disk."""
    return getattr(error.orig, "sqlite_errorname", None) == "SQLITE_FULL"
