"""PostgreSQL 15 and newer, through asyncpg."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fastapi_taskflow.backends.base import Level
from fastapi_taskflow.backends.options import whole_seconds
from fastapi_taskflow.backends.sql.dialects.base import Fate
from fastapi_taskflow.backends.sql.dialects.notices import Notices, notify
from fastapi_taskflow.backends.sql.dialects.questions import Question
from fastapi_taskflow.backends.sql.dialects.servers import (
    CONNECT_SECONDS,
    DEADLINE_SECONDS,
    IDLE_SECONDS,
    LOCK_SECONDS,
    Server,
)
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Postgres"]

# Our own number among the advisory locks of a database: "taskflow" in ASCII.
_LOCK = 0x7461736B666C6F77

# Serialization failure, deadlock, lock timeout; a row that somebody else has just inserted; a
# prepared statement from before a migration.
_COLLISIONS = frozenset({"40001", "40P01", "55P03", "23505", "0A000"})
# Values and constraints, and what is too long for an index.
_REFUSALS = ("22", "23", "54")
_DISK_FULL, _READ_ONLY = "53100", "25006"

_QUESTIONS = (
    Question(
        "durability",
        "SELECT (setting = 'off')::int AS value, setting FROM pg_settings"
        " WHERE name = 'synchronous_commit'",
        "synchronous_commit is {setting}",
        0,
        "Without it a crash of the server loses tasks that were accepted: set it to on.",
    ),
    Question(
        "transactions",
        # Not our own, which is the one that asks. One that was prepared belongs to nobody.
        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - began)), 0)::float8 AS value"
        " FROM (SELECT xact_start AS began FROM pg_stat_activity WHERE datname ="
        " current_database() AND pid <> pg_backend_pid() UNION ALL SELECT prepared"
        " FROM pg_prepared_xacts WHERE database = current_database()) AS open",
        "the oldest has been open for {value:.0f} s",
        600,
        "While it is, no row that was changed can be cleaned up: find it in pg_stat_activity or "
        "pg_prepared_xacts, and end it.",
    ),
    Question(
        "bloat",
        "SELECT relname, n_dead_tup AS dead, n_live_tup AS live,"
        " coalesce(last_autovacuum::timestamp(0)::text, 'never') AS vacuumed,"
        # Autovacuum begins at a fifth; a small table has none for long.
        " n_dead_tup::float8 / greatest(n_live_tup, 100000) AS value"
        " FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname LIKE :prefix"
        " ORDER BY value DESC LIMIT 1",
        "{relname} has most: {dead} dead rows beside {live} (autovacuum: {vacuumed})",
        0.5,
        "Autovacuum does not keep up, or an old transaction holds it: see `transactions`, then "
        "VACUUM ANALYZE {relname}, and set autovacuum_vacuum_scale_factor lower for it.",
    ),
    Question(
        "replication",
        "SELECT pg_is_in_recovery()::int AS value,"
        " CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role",
        "the server is a {role}",
        0,
        "It is a standby, which takes no tasks: give the address of the primary.",
        Level.PROBLEM,
    ),
    Question(
        "replicas",
        "SELECT max(extract(epoch FROM replay_lag))::float8 AS value, count(*) AS count"
        " FROM pg_stat_replication",
        "{count} behind by at most {value:.1f} s",
        30,
        "A failover now would lose what they have not got: see pg_stat_replication.",
    ),
    Question(
        "slots",
        "SELECT slot_name, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN"
        " pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::float8 / 2^30"
        " AS value FROM pg_replication_slots ORDER BY value DESC NULLS LAST LIMIT 1",
        "replication slot {slot_name} keeps {value:.1f} GiB of the write-ahead log",
        4,
        "Its reader is gone or slow, and the disk fills: start it, or drop the slot with "
        "pg_drop_replication_slot('{slot_name}').",
    ),
)

# Between the messages of one statement that is executed many times neither `statement_timeout`
# nor `idle_in_transaction_session_timeout` counts.
_CUT_OFF = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() "
    "AND state = 'active' AND wait_event = 'ClientRead' AND strpos(query, :prefix) > 0 "
    "AND query_start < clock_timestamp() - make_interval(secs => :seconds)"
).bindparams(sa.bindparam("prefix", type_=sa.Text))

_MODES = "disable", "allow", "prefer", "require", "verify-ca", "verify-full"
_PROVEN = "verify-ca", "verify-full"
_FILES = "sslrootcert", "sslcert", "sslkey"


class Postgres(Server):
    """A database of a PostgreSQL server."""

    names = ("postgresql", "postgres")
    dialects = ("postgresql",)
    driver = "postgresql+asyncpg"
    questions = _QUESTIONS
    fuses = True
    options = frozenset(
        {"host", "port", "user", "password", "passfile", "ssl", "target_session_attrs"}
        | {"krbsrvname", "gsslib", "statement_cache_size", "prepared_statement_cache_size"}
    )
    now = sa.cast(
        sa.extract("epoch", sa.func.clock_timestamp()) * sa.literal_column("1000000"),
        sa.BigInteger,
    )

    def understood(
        self, url: sa.URL, connect_args: dict[str, Any]
    ) -> tuple[sa.URL, dict[str, Any]]:
        """As libpq: ``sslmode`` and its files, ``application_name``, ``connect_timeout``."""
        query = dict(url.query)
        mode, files = query.pop("sslmode", None), {name: query.pop(name, None) for name in _FILES}
        if mode not in (None, *_MODES):
            raise ConfigurationError(f"sslmode takes {', '.join(_MODES)}, got {quoted(mode)}.")
        if mode is not None and "ssl" not in connect_args:
            own = mode in _PROVEN or any(files.values())
            connect_args["ssl"] = _context(str(mode), files) if own else mode
        if (name := query.pop("application_name", None)) is not None:
            settings = {"application_name": str(name), **connect_args.get("server_settings", {})}
            connect_args["server_settings"] = settings
        if (timeout := query.pop("connect_timeout", None)) is not None:
            connect_args.setdefault("timeout", whole_seconds("connect_timeout", timeout))
        return url.set(query=query), connect_args

    def connect(self) -> tuple[AsyncEngine, AsyncEngine]:
        engine = self._engine
        if engine is None:
            engine = create_async_engine(self._url, **self.pool())
        # The isolation is said where a transaction begins: it costs nothing to change it.
        return self.on_users(engine)

    def pool(self) -> dict[str, Any]:
        found = super().pool()
        settings = {
            "application_name": "fastapi-taskflow",
            "statement_timeout": f"{DEADLINE_SECONDS}s",
            "lock_timeout": f"{LOCK_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
            # No statement runs long enough to be worth it.
            "jit": "off",
        }
        given = found["connect_args"]
        settings |= given.get("server_settings", {})
        args = {"timeout": CONNECT_SECONDS, **given, "server_settings": settings}
        return found | {"connect_args": args}

    def notices(
        self, writer: AsyncEngine, prefix: str, heard: Callable[[], None]
    ) -> Notices | None:
        return Notices(self.pulse(writer), f"{prefix}hints", heard)

    def telling(self, prefix: str) -> Sequence[sa.Executable]:
        return [notify(f"{prefix}hints")]

    async def cut_off(self, sql: AsyncConnection, prefix: str) -> None:
        await sql.execute(_CUT_OFF, {"prefix": prefix, "seconds": IDLE_SECONDS})

    @asynccontextmanager
    async def alone(self, sql: AsyncConnection) -> AsyncIterator[None]:
        # It may take long, and so may waiting for it.
        for name in ("statement_timeout", "lock_timeout"):
            await sql.execute(sa.text(f"SET LOCAL {name} = 0"))
        await sql.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        yield

    def adding(self, table: sa.Table, key: list[str], added: list[str]) -> sa.Insert:
        insert = postgresql.insert(table)
        return insert.on_conflict_do_update(
            index_elements=key, set_={name: table.c[name] + insert.excluded[name] for name in added}
        )

    def unless_there(self, table: sa.Table, key: str) -> sa.Insert:
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])

    def containing(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        return sa.func.strpos(column, sa.literal(text, column.type)) > 0

    def fate(self, error: DBAPIError) -> Fate:
        # Of callers' sessions: psycopg2 calls it otherwise.
        found = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        code = str(found or "")
        if error.connection_invalidated or code in _COLLISIONS:
            return Fate.COLLIDED
        if code == _READ_ONLY:
            return Fate.DEMOTED
        if code == _DISK_FULL:
            return Fate.FULL
        # asyncpg finds some before it asks the server.
        unfit = isinstance(getattr(error.orig, "__cause__", None), ValueError)
        return Fate.REFUSED if unfit or code.startswith(_REFUSALS) else Fate.SILENT


def _context(mode: str, files: dict[str, Any]) -> ssl.SSLContext:
    """TLS with certificates in files of the user's, by the words of libpq.

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    root = files["sslrootcert"] or _own_root()
    files = {**files, "sslrootcert": root}
    try:
        # Without one those of the system hold, as with libpq's ``system``.
        context = ssl.create_default_context(cafile=None if root == "system" else root)
        if files["sslcert"]:
            context.load_cert_chain(files["sslcert"], files["sslkey"])
    except OSError as exc:
        given = ", ".join(f"{name}={value}" for name, value in files.items() if value)
        raise ConfigurationError(f"The certificates of {given} cannot be read: {exc}.") from exc
    context.check_hostname = mode == "verify-full"
    if mode not in _PROVEN:
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_root() -> str | None:
    """The authorities that a user keeps where libpq looks for them."""
    try:
        found = Path("~/.postgresql/root.crt").expanduser()
    except RuntimeError:
        # Nobody's, as in some containers: without a home.
        return None
    return str(found) if found.is_file() else None
