"""Rows of the task table: from a new task, and to a stored one."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import Claimed, Lease, NewTask, StoredTask
from fastapi_taskflow.backends.rules.admission import Entry
from fastapi_taskflow.backends.rules.claiming import rank
from fastapi_taskflow.backends.sqlite.duetimes import due_moment, due_value
from fastapi_taskflow.backends.sqlite.salvage import is_sound, read_tags, salvaged
from fastapi_taskflow.backends.sqlite.schema import CODES, STATES
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = [
    "BRIEF",
    "FULL",
    "INSERT",
    "INSERT_LATER",
    "INSERT_PLAIN",
    "SEQ",
    "Present",
    "claimed",
    "due_after",
    "due_time",
    "has_few_columns",
    "moment",
    "new_row",
    "plain_row",
    "span",
    "stored",
]

_MICROS_PER_SECOND = 1_000_000
# Not by place: a state of -1 is none.
_STATES = dict(enumerate(STATES))
_PENDING = CODES[TaskStatus.PENDING]
# The calendar's last day: a due time beyond it could not be read back.
_LATEST = to_micros(datetime(9999, 12, 31, tzinfo=UTC))

_BIRTH = (
    "seq, state, fence, owner, born, due_at, end_at, id, queue, func, rank, priority, persist,"
    " requeue, created_at, source, executor, idempotency_key, fingerprint, retry_of, tags, payload"
)
_LATER = "instance, start_at, retries_used, failures, elapsed, error, stacktrace"

INSERT = Rows(f"INSERT INTO @tasks ({_BIRTH}) VALUES {{rows}}", 22, padded=False)
"""Stores new tasks: rows of `new_row`."""

# Binding a NULL takes the driver longer than binding a number.
_PLAIN = (
    "seq, state, fence, owner, born, due_at, id, queue, func, rank, persist, requeue,"
    " created_at, source, executor, payload"
)

INSERT_PLAIN = Rows(f"INSERT INTO @tasks ({_PLAIN}) VALUES {{rows}}", 16, padded=False)
"""Stores new tasks that need no other columns: rows of `plain_row`."""

INSERT_LATER = Rows(f"INSERT INTO @tasks ({_BIRTH}, {_LATER}) VALUES {{rows}}", 29, padded=False)
"""Stores tasks that have a history already: rows of `new_row` and what came of them."""

FULL = (
    "t.id, t.func, t.state, t.created_at, t.start_at, t.end_at, t.retries_used, t.error,"
    " t.stacktrace, t.idempotency_key, t.tags, t.source, t.priority, t.executor, t.queue,"
    " t.retry_of, t.retried_as, t.instance, t.due_at, t.elapsed, t.payload, t.persist, t.requeue,"
    " t.failures, t.interruptions, t.fence, t.owner, t.cancel_asked, t.seq"
)
"""Columns that `stored` reads; the task table is called ``t``."""

BRIEF = FULL.replace("t.stacktrace", "NULL").replace("t.payload", "NULL")
"""The same without stack trace and payload, for lists."""

SEQ = 28
"""Where in a row its ``seq`` is."""


def span(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * _MICROS_PER_SECOND)


def moment(micros: int | None) -> datetime | None:
    """A stored time."""
    return None if micros is None else from_micros(micros)


def due_after(now: int, seconds: float) -> int:
    """What is stored of a due time so many seconds from now."""
    return due_value(due_time(now, seconds), now)


def due_time(now: int, seconds: float) -> int:
    """So many seconds from now, within the calendar."""
    return min(now + span(seconds), _LATEST)


class Present(NamedTuple):
    """The store's now, and its lead over the clock by which callers name instants."""

    now: int
    lead: int = 0


def new_row(seq: int, entry: Entry, present: Present) -> tuple[Any, ...]:
    """The row of a new task for `INSERT`: PENDING, claimed by its owner if any, or REJECTED."""
    task, status = entry
    fence = 0 if task.owner is None else 1
    now = present.now
    return (
        seq,
        CODES[status],
        fence,
        task.owner,
        fence,
        _due_at(task, present),
        None if status is TaskStatus.PENDING else now,
        task.task_id,
        task.queue,
        task.func_name,
        rank(task.priority),
        task.priority,
        task.persist,
        task.requeue,
        to_micros(task.created_at),
        task.source,
        task.executor,
        task.idempotency_key,
        None if task.idempotency_key is None else task.fingerprint,
        task.retry_of,
        json.dumps(dict(task.tags)) if task.tags else None,
        task.payload,
    )


def has_few_columns(entry: Entry) -> bool:
    """`plain_row` tells all of the task."""
    task, status = entry
    return (
        status is TaskStatus.PENDING
        and task.idempotency_key is None
        and task.retry_of is None
        and task.priority is None
        and not task.tags
    )


def plain_row(seq: int, task: NewTask, present: Present) -> tuple[Any, ...]:
    """As `new_row`, for `INSERT_PLAIN`."""
    fence = 0 if task.owner is None else 1
    return (
        seq,
        0,
        fence,
        task.owner,
        fence,
        _due_at(task, present),
        task.task_id,
        task.queue,
        task.func_name,
        0,
        1 if task.persist else 0,
        1 if task.requeue else 0,
        to_micros(task.created_at),
        task.source,
        task.executor,
        task.payload,
    )


def _due_at(task: NewTask, present: Present) -> int:
    now = present.now
    if task.due_at is not None:
        return due_value(min(to_micros(task.due_at) + present.lead, _LATEST), now)
    return due_after(now, task.delay) if task.delay else due_value(now, now)


def stored(row: Sequence[Any], logs: list[str] | None = None) -> StoredTask:
    """A task as the port describes it, from the columns of `FULL` or `BRIEF`."""
    try:
        return _stored(row, logs) if is_sound(row) else salvaged(row, logs)
    except (KeyError, ValueError, RecursionError):
        return salvaged(row, logs)


def _stored(row: Sequence[Any], logs: list[str] | None) -> StoredTask:
    """The task in a row whose types are right.

    Raises:
        KeyError, ValueError, RecursionError: a value is not one that is ever written.
    """
    (
        task_id, func, state, created_at, start_at, end_at, retries_used, error, stacktrace,
        key, tags, source, priority, executor, queue, retry_of, retried_as, instance, due_at,
        elapsed, payload, persist, requeue, failures, interruptions, fence, owner, asked, _,
    ) = row  # fmt: skip
    record = TaskRecord(
        task_id, func, _STATES[state], (), {}, from_micros(created_at), moment(start_at),
        moment(end_at), retries_used, error, [] if logs is None else logs, stacktrace, key,
        read_tags(tags) if tags else {}, None, source, priority, executor, queue, retry_of,
        retried_as, None, instance, due_moment(due_at), elapsed,
    )  # fmt: skip
    if (elapsed is not None and not math.isfinite(elapsed)) or (
        state == _PENDING and persist and due_at is None
    ):
        raise ValueError(task_id)
    return StoredTask(
        record, payload, bool(persist), bool(requeue), failures, interruptions, fence, owner,
        bool(asked),
    )  # fmt: skip


def claimed(row: Sequence[Any], logs: list[str] | None = None) -> Claimed:
    """A claim of the task in this row."""
    task = stored(row, logs)
    return Claimed(Lease(task.record.task_id, task.fence), task)
