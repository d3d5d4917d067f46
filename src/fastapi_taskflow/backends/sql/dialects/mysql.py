"""MariaDB 10.6 and MySQL 8 and newer, through asyncmy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from fastapi_taskflow.backends.base import Level
from fastapi_taskflow.backends.options import whole_seconds
from fastapi_taskflow.backends.sql.dialects.base import Fate
from fastapi_taskflow.backends.sql.dialects.questions import Question
from fastapi_taskflow.backends.sql.dialects.servers import (
    CONNECT_SECONDS,
    DEADLINE_SECONDS,
    IDLE_SECONDS,
    LOCK_SECONDS,
    Server,
)
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable, TaskArgumentError

__all__ = ["MySQL"]

# Deadlock, lock timeout, a row that changed since, a key that somebody else has just inserted.
_COLLISIONS = frozenset({1213, 1205, 1020, 1062})
# Of values: null, too long, out of range, not of the kind; a packet or an index entry too large.
_REFUSALS = frozenset({1048, 1406, 1264, 1366, 1292, 1265, 1153, 1071, 1105})
_DISK_FULL = frozenset({1021, 1114})
# By an option of the server, by its mode, by one of the session.
_READ_ONLY = frozenset({1290, 1836, 1792})

_ALONE_SECONDS = 60
# Of a statement, beside its values.
_STATEMENT_BYTES = 4_096
_SETTINGS = (
    # Where it is not strict, it would cut what is too long.
    "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
    f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}",
    # MariaDB would read all of two indexes where the first rows of one are asked for.
    "SET SESSION optimizer_switch = 'index_merge_intersection=off'",
)
_MARIADB = (
    f"SET SESSION max_statement_time = {DEADLINE_SECONDS}",
    f"SET SESSION idle_transaction_timeout = {IDLE_SECONDS}",
)
# It holds for one transaction, and where each statement would be committed by itself.
_BEGIN = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION"
_QUESTIONS = (
    Question(
        "durability",
        "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit <> 1 AS value,"
        " @@GLOBAL.innodb_flush_log_at_trx_commit AS setting",
        "innodb_flush_log_at_trx_commit is {setting}",
        0,
        "A loss of power loses tasks that were accepted: set it to 1.",
    ),
    Question(
        "transactions",
        "SELECT coalesce(max(timestampdiff(SECOND, trx_started, now())), 0) AS value"
        " FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> connection_id()",
        "the oldest has been open for {value} s",
        600,
        "While it is, nothing that was replaced can be purged: find it in "
        "information_schema.innodb_trx, and end it or KILL its thread.",
    ),
    Question(
        "history",
        "SELECT count AS value FROM information_schema.innodb_metrics"
        " WHERE name = 'trx_rseg_history_len'",
        "{value} transactions wait for the purge of what they replaced",
        1_000_000,
        "Reads become slow: end old transactions, or raise innodb_purge_threads.",
    ),
    Question(
        "replication",
        "SELECT @@GLOBAL.read_only AS value",
        "read_only is {value}",
        0,
        "It is a replica, or was made one: give the address of the primary.",
        Level.PROBLEM,
    ),
)


class MySQL(Server):
    """A database of a MariaDB or MySQL server."""

    names = ("mysql", "mariadb")
    dialects = names
    driver = "mysql+asyncmy"
    questions = _QUESTIONS
    options = frozenset(
        {"ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname"}
        | {"charset", "use_unicode", "sql_mode", "init_command", "program_name", "unix_socket"}
        | {"read_timeout", "local_infile", "client_flag", "read_default_file"}
        | {"read_default_group"}
    )
    # Seen in MariaDB 10.11, at READ COMMITTED too.
    locks_what_it_reads = True
    # What servers take that say nothing else; learned from each connection.
    _packet_bytes = 16_777_216
    now = sa.literal_column(
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))", sa.BigInteger
    )

    def understood(
        self, url: sa.URL, connect_args: dict[str, Any]
    ) -> tuple[sa.URL, dict[str, Any]]:
        """``ssl=true`` in an address; ``ssl_ca`` and its like are known to the driver."""
        query = dict(url.query)
        if str(query.pop("ssl", "false")).lower() in ("true", "1") and "ssl" not in connect_args:
            connect_args["ssl"] = True
        how: dict[str, Any] = {"charset": "utf8mb4", "connect_timeout": CONNECT_SECONDS}
        if (timeout := query.pop("connect_timeout", None)) is not None:
            how["connect_timeout"] = whole_seconds("connect_timeout", timeout)
        return url.set(query=query), {**how, **connect_args}

    def connect(self) -> tuple[AsyncEngine, AsyncEngine]:
        if self._engine is not None:
            return self.on_users(self._engine)
        # To change the isolation of a connection is a question to the server: each has its own.
        return self._engine_of("READ COMMITTED"), self._engine_of("AUTOCOMMIT")

    def _check_engine(self, engine: object) -> None:
        super()._check_engine(engine)
        # What had failed would stay open then, for whoever gets the connection next.
        if isinstance(engine, AsyncEngine) and engine.dialect.skip_autocommit_rollback:
            raise ConfigurationError(
                "engine= takes an AsyncEngine that rolls back, got one with "
                "skip_autocommit_rollback: give the store an engine of its own."
            )

    def on_users(self, engine: AsyncEngine) -> tuple[AsyncEngine, AsyncEngine]:
        # The option would ask the server before anybody has the connection who could close it,
        # and once more when it is given back: what is cut then is lost to its pool.
        alike = engine.execution_options()

        @sa.event.listens_for(alike.sync_engine, "begin")
        def begun(sql: sa.Connection) -> None:
            for statement in _BEGIN:
                sql.exec_driver_sql(statement)

        return alike, alike

    def _engine_of(self, isolation: str) -> AsyncEngine:
        half = {"pool_size": max(1, self._pool_size // 2)}
        engine = create_async_engine(
            self._url, isolation_level=isolation, **{**self.pool(), **half}
        )

        @sa.event.listens_for(engine.sync_engine, "connect")
        def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION(), @@max_allowed_packet")
            version, self._packet_bytes = cursor.fetchone() or ("", self._packet_bytes)
            for statement in (*_SETTINGS, *(_MARIADB if "MariaDB" in str(version) else ())):
                cursor.execute(statement)
            cursor.close()

        @sa.event.listens_for(engine.sync_engine, "before_cursor_execute")
        def sending(_: object, __: object, ___: object, given: Any, *____: object) -> None:
            for row in given if isinstance(given, list) else (given,):
                self._check_row(row)

        return engine

    def _check_row(self, row: Any) -> None:
        # The server would cut the connection in the middle, which looks like an outage.
        values = row.values() if isinstance(row, dict) else row
        size = sum(len(one) for one in values if isinstance(one, bytes | str))
        if size + _STATEMENT_BYTES > self._packet_bytes:
            raise TaskArgumentError(
                f"{self.place} takes up to {self._packet_bytes} bytes in a statement, got {size}: "
                "store large data elsewhere, or raise max_allowed_packet of the server."
            )

    @asynccontextmanager
    async def alone(self, sql: AsyncConnection) -> AsyncIterator[None]:
        # Each statement that changes tables is committed by itself.
        name = f"taskflow:{self._url.database}"[:64]
        got = await sql.scalar(sa.select(sa.func.get_lock(name, _ALONE_SECONDS)))
        if got != 1:
            raise StoreUnavailable(f"{self.place} is being migrated by somebody else.")
        try:
            yield
            # Whoever is next has to see it.
            await sql.exec_driver_sql("COMMIT")
        finally:
            await sql.scalar(sa.select(sa.func.release_lock(name)))

    def adding(self, table: sa.Table, key: list[str], added: list[str]) -> sa.Insert:
        insert = mysql.insert(table)
        return insert.on_duplicate_key_update(
            {name: table.c[name] + insert.inserted[name] for name in added}
        )

    def unless_there(self, table: sa.Table, key: str) -> sa.Insert:
        # Not INSERT IGNORE, which ignores everything.
        return mysql.insert(table).on_duplicate_key_update({key: table.c[key]})

    def containing(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        return sa.func.instr(column, sa.literal(text, column.type)) > 0

    def fate(self, error: DBAPIError) -> Fate:
        args = getattr(error.orig, "args", ())
        code = args[0] if args else None
        if error.connection_invalidated or code in _COLLISIONS:
            return Fate.COLLIDED
        if code in _READ_ONLY:
            return Fate.DEMOTED
        if code in _DISK_FULL:
            return Fate.FULL
        return Fate.REFUSED if code in _REFUSALS else Fate.SILENT
