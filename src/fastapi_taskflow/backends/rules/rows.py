"""A task as a store keeps it: the columns that every driver has, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from fastapi_taskflow.backends.base import Member, NewTask, StoredTask
from fastapi_taskflow.backends.rules.duetimes import is_never
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Row", "as_alias", "read", "row_of", "shown"]

_PENDING = TaskStatus.PENDING
_NO_MEMBER = Member("")


@dataclass(slots=True, kw_only=True)
class Row:
    """All that is stored of a task but its lines and attempts.

    A verb loads rows, and its questions are answered one after the other: a row is as the
    answers so far have left it. Only a `Plan` changes one.
    """

    task_id: str
    func_name: str
    queue: str
    created_at: datetime
    # The number by which tasks that came later are later; the store gives it.
    arrival: int = 0
    payload: bytes | None = None
    priority: int | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    persist: bool = True
    requeue: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = "manual"
    executor: str | None = None
    title: str | None = None
    retry_of: str | None = None
    retried_as: str | None = None
    status: TaskStatus = _PENDING
    # The fence with which it was stored first, which a repeated insert answers.
    born: int = 0
    # Invariant: grows with every claim and hand-over, and never falls.
    fence: int = 0
    # Invariant: None in terminal states; not None while RUNNING.
    owner: str | None = None
    # Invariant: None unless it was claimed by this and has not started since.
    claim_id: str | None = None
    # Who started it last.
    instance: str | None = None
    cancel_asked: bool = False
    due_at: datetime | None = None
    start_time: datetime | None = None
    # Invariant: None unless the state is terminal.
    end_time: datetime | None = None
    elapsed: float | None = None
    retries_used: int = 0
    failures: int = 0
    interruptions: int = 0
    error: str | None = None
    stacktrace: str | None = None
    # The group of the last attempt's failure, if it failed.
    failure: str | None = None
    # What its function told and gave, see `telling`.
    progress: str | None = None
    emitted: str | None = None
    summary: str | None = None
    result: bytes | None = None
    result_missing: str | None = None
    result_until: datetime | None = None
    order_key: str | None = None
    # Invariant: of the live rows of one order key all but the first that arrived.
    behind: bool = False
    # Its part in a batch, see `Member`.
    batch_id: str | None = None
    batch_place: int | None = None
    after: str | None = None
    # No column: what of the others could not be read.
    damage: str | None = None

    @property
    def member(self) -> Member | None:
        """Its part in a batch."""
        if self.batch_id is None:
            return None
        return Member(self.batch_id, self.batch_place, self.after)

    @property
    def free(self) -> bool:
        """It waits for a claim; a store keeps that as a column, to find such tasks by."""
        held = self.owner is not None or self.behind
        return self.status is _PENDING and self.persist and not held

    @property
    def waiting(self) -> bool:
        """It takes one of its queue's ``max_size`` places; a column likewise."""
        return self.status is _PENDING and self.start_time is None


def _fields() -> dict[str, tuple[type, bool]]:
    """By name what a value is, and whether there may be none."""
    found = {}
    for name, hint in get_type_hints(Row).items():
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        found[name] = get_origin(kinds[0]) or kinds[0], NoneType in kinds
    return found


_FIELDS = _fields()
# What nearly every value is, told at once: subclasses and damage take the longer way.
_PLAIN = {
    name: frozenset({dict if kind is Mapping else kind, NoneType if lacks else kind})
    for name, (kind, lacks) in _FIELDS.items()
}
_EMPTY: dict[type, Any] = {
    datetime: datetime(1970, 1, 1, tzinfo=UTC),
    TaskStatus: TaskStatus.INTERRUPTED,
    Mapping: {},
}


def read(values: Mapping[Any, object]) -> Row:
    """The row that has these columns, and something empty in place of what is none of its kind.

    A driver gives as it is what it could not decode: somebody damaged it.
    """
    fit, damaged = dict[str, Any](values), []
    odd = [(name, value) for name, value in fit.items() if type(value) not in _PLAIN[name]]
    for name, value in odd:
        kind, may_lack = _FIELDS[name]
        if not (isinstance(value, kind) or (value is None and may_lack)):
            fit[name] = None if may_lack else _EMPTY[kind] if kind in _EMPTY else kind()
            damaged.append(name)
    return Row(**fit, damage=f"unreadable: {', '.join(damaged)}" if damaged else None)


def row_of(task: NewTask, due_at: datetime | None) -> Row:
    """A new task's row, PENDING, held by its owner if it has one."""
    born = 0 if task.owner is None else 1
    member = task.member or _NO_MEMBER
    return Row(
        task_id=task.task_id,
        func_name=task.func_name,
        queue=task.queue,
        created_at=task.created_at,
        payload=task.payload,
        priority=task.priority,
        idempotency_key=task.idempotency_key,
        fingerprint=task.fingerprint,
        persist=task.persist,
        requeue=task.requeue,
        tags=task.tags,
        source=task.source,
        executor=task.executor,
        title=task.title,
        retry_of=task.retry_of,
        born=born,
        fence=born,
        owner=task.owner,
        due_at=due_at,
        order_key=task.order_key,
        batch_id=member.batch_id or None,
        batch_place=member.place,
        after=member.after,
    )


def as_alias(task: StoredTask, alias: str) -> StoredTask:
    """What readers see of a task that they asked for by an alias."""
    record = task.record
    changes: dict[str, Any] = {
        "task_id": alias,
        "duplicate_of": record.task_id,
        "logs": list(record.logs),
    }
    return task._replace(record=replace(record, tags=dict(record.tags), **changes))


# Of a row and its record.
_ALIKE = (
    *("task_id", "func_name", "status", "created_at", "start_time", "end_time"),
    *("retries_used", "error", "stacktrace", "idempotency_key", "source", "priority", "executor"),
    *("queue", "retry_of", "retried_as", "instance", "elapsed", "result_missing"),
    *("title", "summary", "order_key", "batch_id", "failure"),
)


def shown(row: Row, lines: Iterable[str] = ()) -> StoredTask:
    """What readers see of a row."""
    values = {name: getattr(row, name) for name in _ALIKE}
    due_at = None if is_never(row.due_at) else row.due_at
    record = TaskRecord(**values, due_at=due_at, logs=list(lines), tags=dict(row.tags))
    return StoredTask(
        record,
        row.payload,
        row.persist,
        row.requeue,
        row.failures,
        row.interruptions,
        row.fence,
        row.owner,
        row.cancel_asked,
        damage=row.damage,
        progress=row.progress,
        emitted=row.emitted,
        result=row.result,
        behind=row.behind,
        member=row.member,
    )
