"""Claims, their ends, and what is written while they last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base.admission import Member, NewTask
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.rates import Limit, Rate
from fastapi_taskflow.words.states import Move

__all__ = [
    "Attempt",
    "CancelAnswer",
    "CancelResult",
    "ClaimRequest",
    "Claimed",
    "Lease",
    "Limits",
    "LogChunk",
    "MirrorAnswer",
    "Outcome",
    "Result",
    "Settled",
    "Snapshot",
    "StoredTask",
]


class Lease(NamedTuple):
    """The only key that starts or finishes a claim."""

    task_id: str
    fence: int


class StoredTask(NamedTuple):
    """A task as the store has it. ``record.args`` are empty: ``payload`` holds them.

    ``failures`` counts attempts that ended in an exception, ``interruptions`` owners that
    died after the start. ``owner`` holds it now (None: free or terminal);
    ``record.instance`` is who started it last. ``unopened`` is set above the drivers: the
    payload is encrypted and no key here opens it, so ``payload`` is None. ``damage`` says
    what of the row cannot be read: the rest is shown, and nobody runs it as it is.
    ``arguments`` are there instead of a payload where the task lives in the store's own
    process, see `Residence`; there the record has its ``progress`` already, which it gets
    above the drivers elsewhere, as its ``result``.
    """

    record: TaskRecord
    payload: bytes | None
    persist: bool
    requeue: bool
    failures: int
    interruptions: int
    fence: int
    owner: str | None
    cancel_asked: bool
    unopened: bool = False
    damage: str | None = None
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    progress: str | None = None
    emitted: str | None = None
    result: bytes | None = None
    # Another live task of its order key has the turn.
    behind: bool = False
    member: Member | None = None


class Limits(NamedTuple):
    """What holds over all instances, of those queues and functions of a request that have limits.

    They are the caller's: all who claim should name the same. ``keys`` are rates by function, of
    its tasks with one order key.
    """

    queues: Mapping[str, Limit]
    functions: Mapping[str, Limit]
    keys: Mapping[str, Rate] = {}


class ClaimRequest(NamedTuple):
    """What one instance can run now.

    ``queues`` gives the free slots by queue name; at most ``limit`` tasks are claimed in
    all, and only of ``functions``. At most ``suspects`` of them (0 or 1) may have
    `retry.QUARANTINE_FROM` or more interruptions. Sending a ``claim_id`` again answers the
    same tasks as far as they are still held under it and not started. ``limits`` bound
    what is taken by what all instances hold: durable tasks with an owner count, whatever their
    state, and each that is taken takes a token of its rates. One whose key has no token is due
    when there is one again.

    In a queue that has an ``ageing`` a due task counts as one priority higher for each such time
    that it has been due, in proportion.
    """

    instance: str
    claim_id: str
    queues: Mapping[str, int]
    limit: int
    functions: frozenset[str]
    suspects: int = 1
    limits: Limits | None = None
    ageing: Mapping[str, timedelta] = {}


class Claimed(NamedTuple):
    """A task that the caller now holds, with the fence that its lease needs.

    It is whole, log lines included. One of fence 1 has none yet.
    """

    lease: Lease
    task: StoredTask


class Result(NamedTuple):
    """What a function returned. ``ttl`` (seconds from its end) is for how long it is kept.

    Without a ``value`` there is none that could be stored, and ``missing`` says why.
    """

    value: bytes | None
    ttl: float | None = None
    missing: str | None = None


class Outcome(NamedTuple):
    """How a claim ends. ``delay`` (seconds) sets the due time of moves to PENDING.

    ``elapsed`` is the attempt's length in seconds on a monotonic clock. ``logs`` are lines
    not yet given to `append_logs`; they are stored even if cancel wins, with
    ``logs_anew`` in place of those that the task has. ``error`` and ``stacktrace`` replace
    the record's. ``progress``, ``emitted`` and ``summary`` replace what the task has, unless
    they are None; ``result`` is stored with SUCCESS only. ``failure`` is the group of an attempt
    that failed; where the outcome counts it is counted, see `Backend.failures`.
    """

    lease: Lease
    move: Move
    delay: float = 0.0
    error: str | None = None
    stacktrace: str | None = None
    elapsed: float | None = None
    logs: tuple[str, ...] = ()
    logs_anew: bool = False
    progress: str | None = None
    emitted: str | None = None
    summary: str | None = None
    result: Result | None = None
    failure: Failure | None = None


class Settled(NamedTuple):
    """What became of an outcome.

    ``status`` is the task's state after it. ``late`` is True when the lease was lost: the
    outcome changed nothing and is kept as a late `Attempt`. An outcome that was accepted
    before and is sent again changes nothing and is not late.
    """

    status: TaskStatus
    late: bool = False


class Attempt(NamedTuple):
    """One ended attempt in a task's history. ``number`` is its failures count before it.

    There is at most one per (task, fence). ``instance`` is the one that started it; None
    with ``started_at`` None for late ones, whose sender the store cannot tell.
    """

    number: int
    fence: int
    instance: str | None
    started_at: datetime | None
    ended_at: datetime
    elapsed: float | None
    move: Move
    error: str | None
    stacktrace: str | None
    late: bool
    # The group of its failure.
    failure: str | None = None


class CancelResult(Enum):
    """What `Backend.cancel` did."""

    CANCELLED = "cancelled"
    ASKED = "asked"
    REFUSED = "refused"
    MISSING = "missing"


class CancelAnswer(NamedTuple):
    """``status`` is the task's state afterwards; None when missing."""

    result: CancelResult
    status: TaskStatus | None


class Snapshot(NamedTuple):
    """The latest state of a ``persist=False`` task; its owner is the only writer.

    ``logs`` holds only lines that no earlier snapshot held; with ``logs_anew`` they
    replace the lines of all earlier ones. ``progress``, ``emitted``, ``summary`` and
    ``result`` are as in an `Outcome`; ``failure`` is counted when the task ends with it.
    """

    task: NewTask
    status: TaskStatus
    start_time: datetime | None
    end_time: datetime | None
    due_at: datetime | None
    retries_used: int
    failures: int
    elapsed: float | None
    error: str | None
    stacktrace: str | None
    logs: tuple[str, ...]
    logs_anew: bool = False
    progress: str | None = None
    emitted: str | None = None
    summary: str | None = None
    result: Result | None = None
    failure: Failure | None = None


class MirrorAnswer(NamedTuple):
    """``accepted`` is False when the row is terminal or was handed over by `Backend.recover`.

    (Its owner was declared dead.) Nothing of the snapshot is stored then.
    """

    accepted: bool
    cancel_asked: bool


class LogChunk(NamedTuple):
    """What a running attempt tells; dropped when the lease is lost.

    ``anew``: the log lines replace those that the task has, of this and earlier attempts.
    Levels come back with them: what is not the lines themselves is made and read by `packed`
    and `unpacked` of `words.loglines`.
    ``progress``, ``emitted`` and ``summary``, unless they are None, replace what it has.
    """

    lease: Lease
    lines: tuple[str, ...]
    anew: bool = False
    progress: str | None = None
    emitted: str | None = None
    summary: str | None = None
