"""`PostgresBackend`: tasks in a PostgreSQL database, for any number of machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.backends.extras import ByExtra, driver
from fastapi_taskflow.words.clock import Clock

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["PostgresBackend"]


class PostgresBackend(ByExtra):
    """Durable tasks in a PostgreSQL database (15 or newer), shared by all that use it.

    Nothing is connected before the app starts; then the tables are made or migrated, by one
    instance while the others wait.

    Args:
        url: Such as ``postgresql://user:password@host/database``. ``sslmode``, ``sslrootcert``,
            ``sslcert``, ``sslkey``, ``application_name`` and ``connect_timeout`` are understood as
            by libpq; some of asyncpg may follow, and any other is refused.
        engine: Instead of a URL, an ``AsyncEngine`` of yours on asyncpg. Its pool is used and
            left open; deadlines of statements and locks are yours to set.
        table_prefix: Starts the names of all tables and indexes.
        pool_size: The most connections at a time, beside one for a moment per heartbeat.
        connect_args: Handed to ``asyncpg.connect``, such as ``{"ssl": context}``.
        clock: For tests, what the store's own clock goes by. None: the server's.

    Raises:
        ConfigurationError: an address of something else, neither or both of ``url`` and
            ``engine``, or a prefix that names no table.
        ImportError: the extra ``postgres`` is not installed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: AsyncEngine | None = None,
        table_prefix: str = "taskflow_",
        pool_size: int = 10,
        connect_args: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        sql = driver("sql", extra="postgres", needs="asyncpg")
        database = sql.Postgres(url, engine=engine, pool_size=pool_size, connect_args=connect_args)
        super().__init__(sql.SqlBackend(database, table_prefix=table_prefix, clock=clock))
