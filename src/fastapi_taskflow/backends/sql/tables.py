"""The tables. Columns of tasks are called as the fields of `rules.rows.Row`."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from fastapi_taskflow.backends.base import Grain
from fastapi_taskflow.backends.sql.columns import BLOB, NAME, NUMBER, SERIAL, Json, Moment, Word
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = [
    "VERSION",
    "aliases",
    "attempts",
    "audit",
    "buckets",
    "deltas",
    "facts",
    "instances",
    "keys",
    "lines",
    "logins",
    "metadata",
    "queues",
    "sums",
    "tags",
    "tasks",
    "totals",
]

VERSION = 1

metadata = MetaData()
_STATUS = Word(TaskStatus)

tasks = Table(
    "taskflow_tasks",
    metadata,
    Column("arrival", SERIAL, primary_key=True),
    Column("task_id", NAME, nullable=False, unique=True),
    Column("func_name", NAME, nullable=False),
    Column("queue", NAME, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("payload", BLOB),
    Column("priority", Integer),
    Column("idempotency_key", NAME),
    Column("fingerprint", BLOB),
    Column("persist", Boolean, nullable=False),
    Column("requeue", Boolean, nullable=False),
    Column("tags", Json(dict), nullable=False),
    Column("source", NAME, nullable=False),
    Column("executor", NAME),
    Column("retry_of", NAME),
    Column("retried_as", NAME),
    Column("status", _STATUS, nullable=False),
    Column("born", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("owner", NAME),
    Column("claim_id", NAME),
    Column("instance", NAME),
    Column("cancel_asked", Boolean, nullable=False),
    Column("due_at", Moment),
    Column("start_time", Moment),
    Column("end_time", Moment),
    Column("elapsed", Double),
    Column("retries_used", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("error", Text),
    Column("stacktrace", Text),
    # To find tasks by; all in one direction, or SKIP LOCKED starves the second claimer.
    Column("free", Boolean, nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("place", NUMBER, nullable=False),
    Column("ending", NAME, nullable=False),
    Index("taskflow_free", "queue", "free", "place", "due_at", "arrival"),
    Index("taskflow_due", "queue", "free", "due_at"),
    Index("taskflow_waiting", "queue", "waiting"),
    Index("taskflow_owner", "owner"),
    Index("taskflow_claim", "claim_id"),
    Index("taskflow_end", "end_time", "arrival"),
    sqlite_autoincrement=True,
)

tags = Table(
    "taskflow_tags",
    metadata,
    Column("task_id", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("value", NAME, nullable=False),
    Index("taskflow_tag", "value", "name"),
)

aliases = Table(
    "taskflow_aliases",
    metadata,
    Column("arrival", SERIAL, primary_key=True),
    Column("alias", NAME, nullable=False, unique=True),
    Column("task_id", NAME, nullable=False, index=True),
    Column("ending", NAME, nullable=False),
    sqlite_autoincrement=True,
)

keys = Table(
    "taskflow_keys",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("task_id", NAME, nullable=False),
    Column("fingerprint", BLOB),
    Column("ttl_micros", NUMBER, nullable=False),
    Column("expires_at", Moment, index=True),
)

attempts = Table(
    "taskflow_attempts",
    metadata,
    # In order of arrival: a late one of an old fence comes after those of newer ones.
    Column("arrival", SERIAL, primary_key=True),
    Column("task_id", NAME, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("instance", NAME),
    Column("started_at", Moment),
    Column("ended_at", Moment, nullable=False),
    Column("elapsed", Double),
    Column("move", Word(Move), nullable=False),
    Column("error", Text),
    Column("stacktrace", Text),
    Column("late", Boolean, nullable=False),
    UniqueConstraint("task_id", "fence"),
)

lines = Table(
    "taskflow_lines",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("task_id", NAME, nullable=False, index=True),
    Column("lines", Json(list), nullable=False),
    sqlite_autoincrement=True,
)

# What each transaction added to the counters, until upkeep folds it into the two below:
# so no writer waits for another's counter.
deltas = Table(
    "taskflow_deltas",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("queue", NAME, nullable=False),
    Column("func_name", NAME, nullable=False),
    Column("status", _STATUS, nullable=False),
    Column("rows", NUMBER, nullable=False),
    Column("ended", NUMBER, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("second", NUMBER, nullable=False),
    sqlite_autoincrement=True,
)

totals = Table(
    "taskflow_totals",
    metadata,
    Column("queue", NAME, primary_key=True),
    Column("func_name", NAME, primary_key=True),
    Column("status", _STATUS, primary_key=True),
    Column("rows", NUMBER, nullable=False),
    Column("ended", NUMBER, nullable=False),
    Column("seconds", Double, nullable=False),
)

sums = Table(
    "taskflow_sums",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("grain", Word(Grain), nullable=False),
    Column("start", NUMBER, nullable=False),
    Column("func_name", NAME, nullable=False),
    Column("status", _STATUS, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("ended", NUMBER, nullable=False),
    Column("seconds", Double, nullable=False),
    UniqueConstraint("grain", "start", "func_name", "status", "bin"),
)

instances = Table(
    "taskflow_instances",
    metadata,
    Column("instance_id", NAME, primary_key=True),
    Column("host", NAME, nullable=False),
    Column("pid", NUMBER, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("roles", Json(list), nullable=False),
    Column("functions", Json(list), nullable=False),
    Column("ttl", Double, nullable=False),
    Column("counter", NUMBER, nullable=False),
    Column("lag", Double, nullable=False),
    Column("alive", Boolean, nullable=False),
)

queues = Table(
    "taskflow_queues",
    metadata,
    Column("queue", NAME, primary_key=True),
    Column("settings", Json(dict), nullable=False),
)

audit = Table(
    "taskflow_audit",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("entry_id", NAME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("task_id", NAME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("timestamp", Moment, nullable=False),
    Column("detail", Json(dict), nullable=False),
    sqlite_autoincrement=True,
)

logins = Table(
    "taskflow_logins",
    metadata,
    Column("token_hash", NAME, primary_key=True),
    Column("user", NAME, nullable=False),
    Column("role", NAME, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("seen_at", Moment, nullable=False, index=True),
    Index("taskflow_login_user", "user", "created_at"),
)

buckets = Table(
    "taskflow_buckets",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("clear_at", NUMBER, nullable=False, index=True),
    Column("strikes", Integer, nullable=False),
)

# What the store knows of itself: the version of these tables, the latest time it showed.
facts = Table(
    "taskflow_facts",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", NUMBER, nullable=False),
)
