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

__all__ = ["Row", "in_utc", "later", "record_of"]

# The calendar's last day.
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

_PENDING = TaskStatus.PENDING
# Of records that nobody outside sees, so nobody fills them.
_NO_KWARGS: dict[str, object] = {}
_NO_LINES: list[str] = []


class Row:
    """The state of one task. Only `Table` changes status, owner and due time.

    ``status`` is what the table's indexes say. ``ticket`` numbers the row's places in the
    agenda: an entry with an older one is void. ``waiting`` is True iff the row counts towards
    its queue's ``max_size``.
    """

    __slots__ = (
        "aliases",
        "attempts",
        "born_claimed",
        "cancel_asked",
        "claim_id",
        "failures",
        "family",
        "fence",
        "fingerprint",
        "hold",
        "interruptions",
        "owner",
        "payload",
        "persist",
        "record",
        "requeue",
        "seq",
        "status",
        "task_id",
        "ticket",
        "waiting",
    )

    # By `Table.add`.
    family: Family
    seq: int

    def __init__(
        self, record: TaskRecord, payload: bytes | None, *, persist: bool, requeue: bool
    ) -> None:
        self.record = record
        self.task_id = record.task_id
        self.payload = payload
        self.fingerprint: bytes | None = None
        self.persist = persist
        self.requeue = requeue
        self.status = _PENDING
        self.fence = self.failures = self.interruptions = self.ticket = 0
        self.born_claimed = self.cancel_asked = self.waiting = False
        self.owner: str | None = None
        self.claim_id: str | None = None
        self.attempts: list[Attempt] | None = None
        self.aliases: list[str] | None = None
        self.hold: Hold | None = None

    @property
    def instance(self) -> str | None:
        return self.record.instance

    @property
    def start_time(self) -> datetime | None:
        return self.record.start_time

    def stored(self, *, alias: str | None = None, whole: bool = True) -> StoredTask:
        """The row as callers see it; under the id ``alias``, and without logs unless ``whole``."""
        return StoredTask(
            self._copied(alias, whole),
            self.payload,
            self.persist,
            self.requeue,
            self.failures,
            self.interruptions,
            self.fence,
            self.owner,
            self.cancel_asked,
        )

    def claimed(self) -> Claimed:
        return Claimed(Lease(self.task_id, self.fence), self.stored())

    def add_logs(self, lines: tuple[str, ...], *, anew: bool = False) -> None:
        if anew or not self.record.logs:
            self.record.logs = list(lines)
        else:
            self.record.logs.extend(lines)

    def add_attempt(self, attempt: Attempt) -> None:
        if self.attempts is None:
            self.attempts = [attempt]
        else:
            self.attempts.append(attempt)

    def _copied(self, alias: str | None, whole: bool) -> TaskRecord:
        record = self.record
        return TaskRecord(
            alias or self.task_id,
            record.func_name,
            self.status,
            (),
            {},
            record.created_at,
            record.start_time,
            record.end_time,
            record.retries_used,
            record.error,
            list(record.logs) if whole else [],
            record.stacktrace if whole else None,
            record.idempotency_key,
            dict(record.tags),
            None,
            record.source,
            record.priority,
            record.executor,
            record.queue,
            record.retry_of,
            record.retried_as,
            self.task_id if alias else None,
            record.instance,
            record.due_at,
            record.elapsed,
        )


def record_of(task: NewTask) -> TaskRecord:
    """The store's own record of a new task."""
    return TaskRecord(
        task.task_id,
        task.func_name,
        _PENDING,
        (),
        _NO_KWARGS,
        in_utc(task.created_at),
        None,
        None,
        0,
        None,
        _NO_LINES,
        None,
        task.idempotency_key,
        dict(task.tags),
        None,
        task.source,
        task.priority,
        task.executor,
        task.queue,
        task.retry_of,
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
