"""The tables. Columns of tasks are called as the fields of `rules.rows.Row`."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from fastapi_taskflow.backends.base import Grain
from fastapi_taskflow.backends.sql.columns import (
    BYTES,
    NAME,
    TEXT,
    Json,
    Moment,
    Word,
    columns,
    serial,
)
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.states import Move

VERSION = 11

PREFIX = "taskflow_"
"""Of the names of all tables and indexes; `Store` puts another in its place."""

metadata = sa.MetaData()
_HOW: dict[str, Any] = {
    # Numbers that the database gave are never given again: cursors stay true.
    "sqlite_autoincrement": True,
    "mysql_engine": "InnoDB",
    "mariadb_engine": "InnoDB",
}


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def checked_prefix(prefix: str) -> str:
    """The prefix, if tables may be named with it.

    Raises:
        ConfigurationError: it is not a plain identifier of at most 40 characters.
    """
    if not isinstance(prefix, str) or not _IDENTIFIER.fullmatch(prefix):
        raise ConfigurationError(
            "table_prefix takes letters, digits and underscores (at most 40, no digit first), "
            f"got {quoted(prefix)}."
        )
    # Databases do not tell capitals apart in names that are not quoted.
    return prefix.lower()


def _table(name: str, *items: SchemaItem) -> sa.Table:
    return sa.Table(f"{PREFIX}{name}", metadata, *items, **_HOW)


def _index(name: str, *columns: str, where: str | None = None) -> sa.Index:
    """An index; of those rows alone where the database has such indexes."""
    only = None if where is None else sa.text(where)
    return sa.Index(f"{PREFIX}{name}", *columns, postgresql_where=only, sqlite_where=only)


tasks = _table(
    "tasks",
    serial("arrival"),
    *columns(NAME, "task_id", "func_name", "queue", "source"),
    *columns(NAME, "idempotency_key", "executor", "retry_of", "retried_as", null=True),
    *columns(NAME, "owner", "claim_id", "instance", null=True),
    *columns(Word(TaskStatus), "status"),
    *columns(Moment, "created_at"),
    *columns(Moment, "due_at", "start_time", "end_time", null=True),
    *columns(sa.Double, "elapsed", null=True),
    *columns(sa.Boolean, "persist", "requeue", "cancel_asked"),
    *columns(sa.Integer, "priority", null=True),
    *columns(sa.Integer, "born", "fence", "retries_used", "failures", "interruptions"),
    *columns(Json(dict), "tags"),
    *columns(BYTES, "payload", "fingerprint", null=True),
    *columns(TEXT, "error", "stacktrace", null=True),
    *columns(TEXT, "progress", "emitted", "result_missing", null=True),
    *columns(TEXT, "title", "summary", null=True),
    *columns(NAME, "failure", null=True),
    *columns(BYTES, "result", null=True),
    *columns(Moment, "result_until", null=True),
    *columns(NAME, "order_key", null=True),
    *columns(sa.Boolean, "behind"),
    *columns(NAME, "batch_id", "after", null=True),
    *columns(sa.Integer, "batch_place", null=True),
    # To find tasks by; all in one direction, or SKIP LOCKED starves the second claimer.
    *columns(sa.Boolean, "free", "waiting"),
    *columns(sa.BigInteger, "place"),
    *columns(NAME, "ending"),
    sa.UniqueConstraint("task_id"),
    _index("tasks_free", "queue", "free", "place", "due_at", "arrival", where="free"),
    _index("tasks_due", "queue", "free", "due_at", where="free"),
    _index("tasks_waiting", "queue", "waiting", where="waiting"),
    _index("tasks_turn", "order_key", "behind", "status", "arrival", where="order_key IS NOT NULL"),
    # For lists; nearly all tasks of a long history succeeded, and those need none.
    _index("tasks_status", "status", "arrival", where="status <> 'SUCCESS'"),
    _index("tasks_owner", "owner", where="owner IS NOT NULL"),
    _index("tasks_claim", "claim_id", where="claim_id IS NOT NULL"),
    _index("tasks_end", "end_time", "arrival", where="end_time IS NOT NULL"),
    _index("tasks_batch", "batch_id", where="batch_id IS NOT NULL"),
    _index("tasks_failure", "failure", "arrival", where="failure IS NOT NULL"),
    _index("tasks_unretried", "failure", "retried_as", "arrival", where="failure IS NOT NULL"),
    _index("tasks_result", "result_until", where="result_until IS NOT NULL"),
)
tags = _table(
    "tags",
    *columns(NAME, "task_id", "name", key=True),
    *columns(NAME, "value"),
    _index("tags_value", "value", "name"),
)
aliases = _table(
    "aliases",
    serial("arrival"),
    *columns(NAME, "alias", "task_id", "ending"),
    sa.UniqueConstraint("alias"),
    _index("aliases_task", "task_id"),
)
keys = _table(
    "keys",
    *columns(NAME, "key", key=True),
    *columns(NAME, "task_id"),
    *columns(BYTES, "fingerprint", null=True),
    *columns(sa.BigInteger, "ttl_micros"),
    *columns(Moment, "expires_at", null=True),
    _index("keys_expiry", "expires_at"),
)
attempts = _table(
    "attempts",
    # In order of arrival: a late one of an old fence comes after those of newer ones.
    serial("arrival"),
    *columns(NAME, "task_id"),
    *columns(sa.Integer, "fence", "number"),
    *columns(NAME, "instance", null=True),
    *columns(Moment, "started_at", null=True),
    *columns(Moment, "ended_at"),
    *columns(sa.Double, "elapsed", null=True),
    *columns(Word(Move), "move"),
    *columns(TEXT, "error", "stacktrace", null=True),
    *columns(sa.Boolean, "late"),
    *columns(NAME, "failure", null=True),
    sa.UniqueConstraint("task_id", "fence"),
)
lines = _table(
    "lines",
    serial("number"),
    *columns(NAME, "task_id"),
    *columns(Json(tuple), "lines"),
    _index("lines_task", "task_id"),
)
# What each transaction added to the counters, until upkeep folds it into the one below: so
# no writer waits for another's counter.
deltas = _table(
    "deltas",
    serial("number"),
    *columns(NAME, "queue", "func_name"),
    *columns(Word(TaskStatus), "status"),
    *columns(sa.BigInteger, "rows", "ended", "waited", "bin", "second"),
    *columns(sa.Double, "seconds"),
)
sums = _table(
    "sums",
    serial("number"),
    *columns(Word(Grain), "grain"),
    *columns(NAME, "queue", "func_name"),
    *columns(Word(TaskStatus), "status"),
    *columns(sa.BigInteger, "second", "bin", "rows", "ended", "waited"),
    *columns(sa.Double, "seconds"),
    sa.UniqueConstraint("grain", "second", "queue", "func_name", "status", "bin"),
)
# Attempts that failed alike: what each transaction adds, until upkeep folds it into those below.
failing = _table(
    "failing",
    serial("number"),
    *columns(NAME, "group_name", "func_name", "kind", "task_id"),
    *columns(Moment, "at"),
    # In which the hour begins.
    *columns(sa.BigInteger, "second", "times"),
)
failures = _table(
    "failures",
    *columns(NAME, "group_name", key=True),
    *columns(NAME, "func_name", "kind", "task_id"),
    *columns(Moment, "first_at", "last_at"),
    *columns(sa.BigInteger, "times"),
    _index("failures_last", "last_at"),
)
failed = _table(
    "failed",
    serial("number"),
    *columns(Word(Grain), "grain"),
    *columns(sa.BigInteger, "second"),
    *columns(NAME, "group_name"),
    *columns(sa.BigInteger, "times"),
    sa.UniqueConstraint("grain", "second", "group_name"),
)
instances = _table(
    "instances",
    *columns(NAME, "instance_id", key=True),
    *columns(NAME, "host"),
    *columns(Moment, "started_at"),
    *columns(Json(frozenset), "roles", "functions"),
    *columns(Json(dict), "executors"),
    *columns(sa.Double, "ttl"),
    *columns(sa.BigInteger, "pid"),
    *columns(NAME, "version", null=True),
    *columns(sa.Boolean, "alive"),
)
# Apart from the instances: who claims locks those rows, and a heartbeat waits for nobody.
beats = _table(
    "beats",
    *columns(NAME, "instance_id", key=True),
    *columns(sa.BigInteger, "counter"),
    *columns(sa.Double, "lag"),
    *columns(sa.Integer, "running", null=True),
    *columns(sa.Boolean, "draining", null=True),
)
queues = _table("queues", *columns(NAME, "queue", key=True), *columns(Json(dict), "settings"))
audit = _table(
    "audit",
    serial("number"),
    *columns(NAME, "entry_id", "action", "task_id", "actor"),
    *columns(Moment, "timestamp"),
    *columns(Json(dict), "detail"),
    *columns(NAME, "previous", "hash"),
)
schedules = _table(
    "schedules",
    *columns(NAME, "name", key=True),
    *columns(sa.BigInteger, "version"),
    *columns(TEXT, "definition", "state"),
    *columns(BYTES, "payload", null=True),
    *columns(Moment, "next_at", null=True),
    _index("schedules_next", "next_at"),
)
batches = _table(
    "batches",
    serial("number"),
    *columns(NAME, "batch_id"),
    *columns(Moment, "created_at"),
    *columns(sa.Boolean, "chain"),
    *columns(Json(dict), "tags"),
    *columns(sa.Integer, "total", "success", "failed", "cancelled"),
    *columns(Moment, "ended_at", null=True),
    sa.UniqueConstraint("batch_id"),
    _index("batches_end", "ended_at"),
)
# Callbacks of batches that are not due yet.
calls = _table(
    "calls",
    *columns(NAME, "task_id", key=True),
    *columns(NAME, "batch_id", "kind"),
    *columns(TEXT, "task"),
    *columns(BYTES, "payload", null=True),
    _index("calls_batch", "batch_id"),
)
logins = _table(
    "logins",
    *columns(NAME, "token_hash", key=True),
    *columns(NAME, "user", "role"),
    *columns(Moment, "created_at", "expires_at", "seen_at"),
    _index("logins_user", "user", "created_at"),
    _index("logins_expiry", "expires_at"),
    _index("logins_seen", "seen_at"),
)
buckets = _table(
    "buckets",
    *columns(NAME, "name", key=True),
    *columns(sa.BigInteger, "clear_at", "strikes"),
    _index("buckets_clear", "clear_at"),
)
# Keys that sign what is given to people without an account.
signing = _table(
    "signing",
    serial("number"),
    *columns(BYTES, "key"),
    *columns(Moment, "created_at"),
)
# Names of what is counted exactly, and order keys: who counts, adds to it, or passes a turn on,
# has locked its row.
gates = _table("gates", *columns(NAME, "name", key=True))
# What the store knows of itself: the version of these tables, the latest time it showed.
facts = _table("facts", *columns(NAME, "name", key=True), *columns(sa.BigInteger, "value"))
