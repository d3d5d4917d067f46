"""One task in memory, and the values that leave the store for it.

A `Row` never leaves the backend: what callers get is made anew at every read, so nothing
they do to it reaches the store.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi_taskflow.backends.base import (
    Attempt,
    Claimed,
    Lease,
    LogChunk,
    Member,
    NewTask,
    Outcome,
    Result,
    Snapshot,
    StoredTask,
)
from fastapi_taskflow.backends.memory.keys import Hold
from fastapi_taskflow.backends.memory.tallies import Family
from fastapi_taskflow.backends.rules.telling import EXPIRED, FORGOTTEN, given, told
from fastapi_taskflow.rules.soundness import mend
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Row", "record_of"]

# The calendar's last day.
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)

_PENDING = TaskStatus.PENDING
# Of records that nobody outside sees, so nobody fills them.
_NO_KWARGS: dict[str, object] = {}
_NO_LINES: list[str] = []


class Row:
    """The state of one task. Only `Table` changes status, owner and due time.

    ``status`` is what the table's indexes say. ``record`` is the store's own, or if ``shared``
    that of a live task, see `Residence`: then nothing in it is trusted. ``ticket`` numbers the
    row's places in the agenda: an entry with an older one is void. ``waiting`` is True iff the
    row counts towards its queue's ``max_size``.
    """

    __slots__ = (
        "aliases",
        "arguments",
        "attempts",
        "behind",
        "born_claimed",
        "cancel_asked",
        "claim_id",
        "emitted",
        "failures",
        "family",
        "fence",
        "fingerprint",
        "hold",
        "interruptions",
        "member",
        "owner",
        "payload",
        "persist",
        "progress",
        "record",
        "requeue",
        "result",
        "result_until",
        "seq",
        "shared",
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
        self.born_claimed = self.cancel_asked = self.shared = self.waiting = False
        # Another live row of its order key has the turn.
        self.behind = False
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.owner: str | None = None
        self.claim_id: str | None = None
        self.attempts: list[Attempt] | None = None
        self.aliases: list[str] | None = None
        self.hold: Hold | None = None
        # Of a shared record the progress is in the record.
        self.progress: str | None = None
        self.emitted: str | None = None
        self.result: bytes | None = None
        self.result_until: datetime | None = None
        self.member: Member | None = None

    @property
    def parked(self) -> bool:
        """It waits for the step before it."""
        return self.member is not None and self.member.parked

    @property
    def instance(self) -> str | None:
        return self.record.instance

    @property
    def start_time(self) -> datetime | None:
        return self.record.start_time

    @property
    def ended_at(self) -> datetime | None:
        moment = self.record.end_time
        return moment if moment is None or not self.shared or _is_moment(moment) else _UNKNOWN

    def stored(self, *, alias: str | None = None, whole: bool = True) -> StoredTask:
        """The row as callers see it; under the id ``alias``, and without logs unless ``whole``."""
        return StoredTask(
            self.read(alias, whole=whole),
            self.payload,
            self.persist,
            self.requeue,
            self.failures,
            self.interruptions,
            self.fence,
            self.owner,
            self.cancel_asked,
            arguments=self.arguments,
            progress=self.progress,
            emitted=self.emitted if whole else None,
            result=self.result if whole else None,
            behind=self.behind,
            member=self.member,
        )

    def claimed(self) -> Claimed:
        return Claimed(Lease(self.task_id, self.fence), self.stored())

    def add_logs(self, lines: tuple[str, ...], *, anew: bool = False) -> None:
        if anew or not self.record.logs:
            self.record.logs = list(lines)
        else:
            self.record.logs.extend(lines)

    def hear(self, said: LogChunk | Outcome | Snapshot) -> None:
        """Keep the latest of what its function told."""
        for name, value in told(said).items():
            setattr(self.record if name == "summary" else self, name, value)

    def give(self, result: Result | None, now: datetime) -> None:
        """Keep what its function returned."""
        values = given(result, now)
        if values:
            self.result, self.result_until = values["result"], values["result_until"]
            self.record.result_missing = values["result_missing"]

    @property
    def size(self) -> int:
        """Bytes of what may be large."""
        payload, result = self.payload, self.result
        return (0 if payload is None else len(payload)) + (0 if result is None else len(result))

    def forget(self) -> None:
        """Hold no more what may be large."""
        self.payload = None
        if self.result is not None:
            self.result = self.result_until = None
            self.record.result_missing = FORGOTTEN

    def expire_result(self) -> None:
        self.result = self.result_until = None
        self.record.result_missing = EXPIRED

    def add_attempt(self, attempt: Attempt) -> None:
        if self.attempts is None:
            self.attempts = [attempt]
        else:
            self.attempts.append(attempt)

    def part(self) -> None:
        """Share the record no longer."""
        if self.shared:
            self.record, self.shared = self.read(), False

    def read(self, alias: str | None = None, *, whole: bool = True) -> TaskRecord:
        """A record of whoever asks, without arguments."""
        record = self._read(alias)
        if self.shared:
            mend(record, self._known(record.task_id))
        record.tags = dict(record.tags)
        record.logs = list(record.logs) if whole else []
        if not whole:
            record.stacktrace = None
        return record

    def _known(self, task_id: str) -> TaskRecord:
        """What is known of a task whatever the app has made of its record."""
        created_at = self.record.created_at
        if not _is_moment(created_at):
            created_at = _UNKNOWN
        return TaskRecord(task_id, self.family.func_name, self.status, created_at=created_at)

    def _read(self, alias: str | None) -> TaskRecord:
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
            record.logs,
            record.stacktrace,
            record.idempotency_key,
            record.tags,
            None,
            record.source,
            record.priority,
            record.executor,
            record.queue,
            record.retry_of,
            record.retried_as,
            self.task_id if alias else None,
            record.instance,
            None if self.parked else record.due_at,
            record.elapsed,
            record.progress,
            None,
            record.result_missing,
            record.title,
            record.summary,
            record.order_key,
            None if self.member is None else self.member.batch_id,
            record.failure,
        )


def record_of(task: NewTask) -> TaskRecord:
    """The store's own record of a new task."""
    return TaskRecord(
        task.task_id,
        task.func_name,
        _PENDING,
        (),
        _NO_KWARGS,
        _in_utc(task.created_at),
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
        title=task.title,
        order_key=task.order_key,
    )


def _is_moment(value: object) -> bool:
    return type(value) is datetime and value.tzinfo is UTC


def _in_utc(moment: datetime) -> datetime:
    """The same instant in UTC."""
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _LATEST
