"""One task in memory, and the values that leave the store for it.

A `Row` never leaves the backend: what callers get is made anew at every read, so nothing
they do to it reaches the store.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi_taskflow.backends.base import Attempt, Claimed, Lease, NewTask, StoredTask
from fastapi_taskflow.backends.memory.keys import Hold
from fastapi_taskflow.backends.memory.tallies import Family
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Row", "in_utc", "later"]

# The calendar's last day.
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

_PENDING = TaskStatus.PENDING


class Row:
    """The state of one task. Only `Table` changes status, owner and due time.

    ``ticket`` numbers the row's places in the agenda: an entry with an older one is void.
    ``waiting`` is True iff the row counts towards its queue's ``max_size``.
    """

    __slots__ = (
        "aliases",
        "attempts",
        "cancel_asked",
        "claim_id",
        "due_at",
        "elapsed",
        "end_time",
        "error",
        "failures",
        "family",
        "fence",
        "hold",
        "instance",
        "interruptions",
        "logs",
        "owner",
        "retried_as",
        "retries_used",
        "seq",
        "stacktrace",
        "start_time",
        "status",
        "task",
        "ticket",
        "waiting",
    )

    def __init__(self, task: NewTask, seq: int, family: Family) -> None:
        self.task = task
        self.seq = seq
        self.family = family
        self.status = _PENDING
        self.fence = self.failures = self.interruptions = self.retries_used = self.ticket = 0
        self.cancel_asked = self.waiting = False
        self.owner: str | None = None
        self.instance: str | None = None
        self.claim_id: str | None = None
        self.due_at: datetime | None = None
        self.start_time: datetime | None = None
        self.end_time: datetime | None = None
        self.elapsed: float | None = None
        self.error: str | None = None
        self.stacktrace: str | None = None
        self.retried_as: str | None = None
        self.logs: list[str] | None = None
        self.attempts: list[Attempt] | None = None
        self.aliases: list[str] | None = None
        self.hold: Hold | None = None

    @property
    def persist(self) -> bool:
        return self.task.persist

    @property
    def born_claimed(self) -> bool:
        """An owner that was not alive at the insert is not kept in ``task``."""
        return self.task.owner is not None

    def stored(self, *, alias: str | None = None, whole: bool = True) -> StoredTask:
        """The row as callers see it; under the id ``alias``, and without logs unless ``whole``."""
        return StoredTask(
            self._record(alias, whole),
            self.task.payload,
            self.task.persist,
            self.task.requeue,
            self.failures,
            self.interruptions,
            self.fence,
            self.owner,
            self.cancel_asked,
        )

    def claimed(self) -> Claimed:
        return Claimed(Lease(self.task.task_id, self.fence), self.stored())

    def add_logs(self, lines: tuple[str, ...], *, anew: bool = False) -> None:
        if self.logs is None or anew:
            self.logs = list(lines)
        else:
            self.logs.extend(lines)

    def add_attempt(self, attempt: Attempt) -> None:
        if self.attempts is None:
            self.attempts = [attempt]
        else:
            self.attempts.append(attempt)

    def _record(self, alias: str | None, whole: bool) -> TaskRecord:
        task = self.task
        return TaskRecord(
            alias or task.task_id,
            task.func_name,
            self.status,
            (),
            {},
            in_utc(task.created_at),
            self.start_time,
            self.end_time,
            self.retries_used,
            self.error,
            list(self.logs) if whole and self.logs else [],
            self.stacktrace if whole else None,
            task.idempotency_key,
            dict(task.tags),
            None,
            task.source,
            task.priority,
            task.executor,
            task.queue,
            task.retry_of,
            self.retried_as,
            task.task_id if alias else None,
            self.instance,
            self.due_at,
            self.elapsed,
        )


def in_utc(moment: datetime) -> datetime:
    """The same instant in UTC."""
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _LATEST


def later(now: datetime, seconds: float) -> datetime:
    """So many seconds from now, within the calendar."""
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST
