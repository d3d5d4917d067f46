"""Rows of the task table: from a new task, and to a stored one."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from fastapi_taskflow.backends.base import Claimed, Lease, NewTask, StoredTask
from fastapi_taskflow.backends.rules.claiming import rank
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sqlite.duetimes import due_shown, due_value
from fastapi_taskflow.backends.sqlite.salvage import NAMES, is_sound, member_of, read_tags, salvaged
from fastapi_taskflow.backends.sqlite.schema import CODES, STATES
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = [
    "BRIEF",
    "COLUMNS",
    "FENCE",
    "FULL",
    "ID",
    "INSERT",
    "INSERT_LEAN",
    "SEQ",
    "claimed",
    "due_time",
    "is_lean",
    "later_values",
    "lean_row",
    "moment",
    "plain_row",
    "span",
    "stored",
    "task_row",
    "value_of",
]

_MICROS_PER_SECOND = 1_000_000
# Not by place: a state of -1 is none.
_STATES = dict(enumerate(STATES))
_PENDING = CODES[TaskStatus.PENDING]
# The calendar's last day: a due time beyond it could not be read back.
_LATEST = to_micros(datetime(9999, 12, 31, tzinfo=UTC))

# Attributes of `Row` and the columns that keep them, as they are.
_AS_IS = {
    "arrival": "seq",
    "fence": "fence",
    "owner": "owner",
    "claim_id": "claim_id",
    "born": "born",
    "failures": "failures",
    "interruptions": "interruptions",
    "retries_used": "retries_used",
    "elapsed": "elapsed",
    "task_id": "id",
    "queue": "queue",
    "func_name": "func",
    "priority": "priority",
    "instance": "instance",
    "source": "source",
    "executor": "executor",
    "title": "title",
    "idempotency_key": "idempotency_key",
    "fingerprint": "fingerprint",
    "retry_of": "retry_of",
    "retried_as": "retried_as",
    "error": "error",
    "stacktrace": "stacktrace",
    "payload": "payload",
    "order_key": "order_key",
}
# The driver takes long to bind what is no number to the letter.
_FLAGS = {name: name for name in ("persist", "requeue", "cancel_asked", "behind")}
# Those that keep them in another form, see `value_of`.
_TIMES = {"created_at": "created_at", "start_time": "start_at", "end_time": "end_at"}
_LATER = {
    name: name
    for name in (
        *("progress", "emitted", "summary", "result", "result_missing", "result_until"),
        *("batch_id", "batch_place", "after"),
        "failure",
    )
}
COLUMNS = {**_AS_IS, **_FLAGS, **_TIMES, "due_at": "due_at", "status": "state", **_LATER}
"""What a plan may change."""
_OTHERS = (*_FLAGS, *_TIMES, "due_at", "status")
_WHOLE = (*_AS_IS.values(), *(COLUMNS[name] for name in _OTHERS), "rank", "tags")
_as_is = attrgetter(*_AS_IS)
INSERT = Rows(
    f"INSERT INTO @tasks ({', '.join(_WHOLE)}) VALUES {{rows}}", len(_WHOLE), padded=False
)
"""Stores tasks: rows of `task_row`."""
_LEAN_AS_IS = (
    "arrival", "fence", "owner", "born", "task_id", "queue", "func_name", "source", "executor",
    "payload",
)  # fmt: skip
_LEAN = (
    *(_AS_IS[name] for name in _LEAN_AS_IS),
    *("persist", "requeue", "created_at", "due_at", "state", "rank"),
)
_lean_as_is = attrgetter(*_LEAN_AS_IS)
_rest = attrgetter(
    *(name for name in _AS_IS if name not in _LEAN_AS_IS),
    "cancel_asked",
    "behind",
    "start_time",
    "end_time",
    "status",
    "tags",
)
_NOTHING = _rest(Row(task_id="", func_name="", queue="", created_at=from_micros(0)))
# Binding a NULL takes the driver longer than binding a number.
INSERT_LEAN = Rows(
    f"INSERT INTO @tasks ({', '.join(_LEAN)}) VALUES {{rows}}", len(_LEAN), padded=False
)
"""Stores waiting tasks that need no other columns: rows of `lean_row`."""
FULL = ", ".join(f"t.{name}" for name in NAMES)
"""Columns that `stored` reads; the task table is called ``t``."""
BRIEF = ", ".join(
    "NULL" if name in ("stacktrace", "payload", "emitted", "result") else f"t.{name}"
    for name in NAMES
)
"""The same without what may be long, for lists."""
ID, SEQ, FENCE = map(NAMES.index, ("id", "seq", "fence"))
"""Where they are in such a row."""


def span(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * _MICROS_PER_SECOND)


def moment(micros: int | None) -> datetime | None:
    """A stored time."""
    return None if micros is None else from_micros(micros)


def due_time(now: int, seconds: float) -> int:
    """So many seconds from now, within the calendar."""
    return min(now + span(seconds), _LATEST)


def value_of(name: str, value: Any, now: int) -> Any:
    """What is stored of an attribute of a `Row`."""
    if value is None:
        return None
    if name == "status":
        return CODES[value]
    if name == "due_at":
        return due_value(to_micros(value), now)
    if name in _TIMES or name == "result_until":
        return to_micros(value)
    return int(value) if name in _FLAGS else value


def task_row(row: Row, now: int) -> tuple[Any, ...]:
    """A task for `INSERT`."""
    others = [value_of(name, getattr(row, name), now) for name in _OTHERS]
    tags = json.dumps(dict(row.tags)) if row.tags else None
    return (*_as_is(row), *others, rank(row.priority), tags)


def later_values(row: Row) -> dict[str, Any]:
    """Of a new task what `task_row` and `lean_row` leave out, because nearly none has it."""
    values = {name: getattr(row, name) for name in _LATER}
    return {name: value for name, value in values.items() if value is not None}


def is_lean(row: Row) -> bool:
    """`lean_row` tells all of the task."""
    return _rest(row) == _NOTHING


def lean_row(row: Row, now: int) -> tuple[Any, ...]:
    """A task for `INSERT_LEAN`."""
    due_at = None if row.due_at is None else due_value(to_micros(row.due_at), now)
    persist, requeue = 1 if row.persist else 0, 1 if row.requeue else 0
    return (*_lean_as_is(row), persist, requeue, to_micros(row.created_at), due_at, 0, 0)


def plain_row(seq: int, task: NewTask, due_at: datetime | None, now: int) -> tuple[Any, ...]:
    """The same of a new task that has nothing else, due now unless it is said when."""
    fence = 0 if task.owner is None else 1
    return (
        seq, fence, task.owner, fence, task.task_id, task.queue, task.func_name, task.source,
        task.executor, task.payload, 1 if task.persist else 0, 1 if task.requeue else 0,
        to_micros(task.created_at),
        due_value(now if due_at is None else to_micros(due_at), now), 0, 0,
    )  # fmt: skip


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
        elapsed, payload, persist, requeue, failures, interruptions, fence, owner, asked, progress,
        emitted, result, missing, title, summary, order_key, behind, batch_id, batch_place, after,
        failure, _,
    ) = row  # fmt: skip
    record = TaskRecord(
        task_id, func, _STATES[state], (), {}, from_micros(created_at), moment(start_at),
        moment(end_at), retries_used, error, [] if logs is None else logs, stacktrace, key,
        read_tags(tags) if tags else {}, None, source, priority, executor, queue, retry_of,
        retried_as, None, instance, due_shown(due_at), elapsed,
        None, None, missing, title, summary, order_key, batch_id, failure,
    )  # fmt: skip
    if (elapsed is not None and not math.isfinite(elapsed)) or (
        state == _PENDING and persist and due_at is None
    ):
        raise ValueError(task_id)
    return StoredTask(
        record, payload, bool(persist), bool(requeue), failures, interruptions, fence, owner,
        bool(asked), False, None, None, progress, emitted, result, bool(behind),
        None if batch_id is None else member_of(batch_id, batch_place, after),
    )  # fmt: skip


def claimed(row: Sequence[Any], logs: list[str] | None = None) -> Claimed:
    """A claim of the task in this row."""
    task = stored(row, logs)
    return Claimed(Lease(task.record.task_id, task.fence), task)
