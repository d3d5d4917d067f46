"""The tables. Columns of tasks are called as the fields of `rules.rows.Row`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from fastapi_taskflow.backends.base import Grain
from fastapi_taskflow.backends.sql.columns import NAME, Json, Moment, Word, columns, serial
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

VERSION = 1

metadata = sa.MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})


def _table(name: str, *items: SchemaItem) -> sa.Table:
    # Numbers that the database gave are never given again: cursors stay true.
    return sa.Table(f"taskflow_{name}", metadata, *items, sqlite_autoincrement=True)


def _index(*names: str) -> sa.Index:
    return sa.Index(None, *names)


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
    *columns(sa.LargeBinary, "payload", "fingerprint", null=True),
    *columns(sa.Text, "error", "stacktrace", null=True),
    # To find tasks by; all in one direction, or SKIP LOCKED starves the second claimer.
    *columns(sa.Boolean, "free", "waiting"),
    *columns(sa.BigInteger, "place"),
    *columns(NAME, "ending"),
    sa.UniqueConstraint("task_id"),
    _index("queue", "free", "place", "due_at", "arrival"),
    _index("queue", "free", "due_at"),
    _index("queue", "waiting"),
    _index("owner"),
    _index("claim_id"),
    _index("end_time", "arrival"),
)
tags = _table(
    "tags",
    *columns(NAME, "task_id", "name", key=True),
    *columns(NAME, "value"),
    _index("value", "name"),
)
aliases = _table(
    "aliases",
    serial("arrival"),
    *columns(NAME, "alias", "task_id", "ending"),
    sa.UniqueConstraint("alias"),
    _index("task_id"),
)
keys = _table(
    "keys",
    *columns(NAME, "key", key=True),
    *columns(NAME, "task_id"),
    *columns(sa.LargeBinary, "fingerprint", null=True),
    *columns(sa.BigInteger, "ttl_micros"),
    *columns(Moment, "expires_at", null=True),
    _index("expires_at"),
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
    *columns(sa.Text, "error", "stacktrace", null=True),
    *columns(sa.Boolean, "late"),
    sa.UniqueConstraint("task_id", "fence"),
)
lines = _table(
    "lines",
    serial("number"),
    *columns(NAME, "task_id"),
    *columns(Json(tuple), "lines"),
    _index("task_id"),
)
# What each transaction added to the counters, until upkeep folds it into the one below: so
# no writer waits for another's counter.
deltas = _table(
    "deltas",
    serial("number"),
    *columns(NAME, "queue", "func_name"),
    *columns(Word(TaskStatus), "status"),
    *columns(sa.BigInteger, "rows", "ended", "bin", "second"),
    *columns(sa.Double, "seconds"),
)
sums = _table(
    "sums",
    serial("number"),
    *columns(Word(Grain), "grain"),
    *columns(NAME, "queue", "func_name"),
    *columns(Word(TaskStatus), "status"),
    *columns(sa.BigInteger, "second", "bin", "rows", "ended"),
    *columns(sa.Double, "seconds"),
    sa.UniqueConstraint("grain", "second", "queue", "func_name", "status", "bin"),
)
instances = _table(
    "instances",
    *columns(NAME, "instance_id", key=True),
    *columns(NAME, "host"),
    *columns(Moment, "started_at"),
    *columns(Json(frozenset), "roles", "functions"),
    *columns(sa.Double, "ttl", "lag"),
    *columns(sa.BigInteger, "pid", "counter"),
    *columns(sa.Boolean, "alive"),
)
queues = _table("queues", *columns(NAME, "queue", key=True), *columns(Json(dict), "settings"))
audit = _table(
    "audit",
    serial("number"),
    *columns(NAME, "entry_id", "action", "task_id", "actor"),
    *columns(Moment, "timestamp"),
    *columns(Json(dict), "detail"),
)
logins = _table(
    "logins",
    *columns(NAME, "token_hash", key=True),
    *columns(NAME, "user", "role"),
    *columns(Moment, "created_at", "expires_at", "seen_at"),
    _index("user", "created_at"),
    _index("expires_at"),
    _index("seen_at"),
)
buckets = _table(
    "buckets",
    *columns(NAME, "name", key=True),
    *columns(sa.BigInteger, "clear_at", "strikes"),
    _index("clear_at"),
)
# What the store knows of itself: the version of these tables, the latest time it showed.
facts = _table("facts", *columns(NAME, "name", key=True), *columns(sa.BigInteger, "value"))
