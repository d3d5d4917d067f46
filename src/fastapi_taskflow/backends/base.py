"""The storage port: the verbs that every backend gives, and the values they take.

A backend is the single source of truth for what outlives a process. It applies the
policy that it is handed (`states.MOVES`, outcomes, limits) and holds none of its own.
The contract is `fastapi_taskflow.testing.conformance`: what it does not test is not
promised.

Rules that hold for every verb:

* Verbs are batch-first. Answers come in the order of the questions; an empty batch does
  no I/O and answers an empty list.
* Every write is one compare-and-set. Losing a race is an answer, never an exception.
* On return the write is committed to the backend's durability grade.
* The store's own clock stamps ``start_time``, ``end_time`` and due times (its now plus a
  span). A clock may be given to a driver's constructor by tests.
* Sending a write again after a lost reply is safe: `insert` by task id, `claim` by claim
  id, `start` and `finish` by lease.
* A value that cannot be stored raises another error than `StoreUnavailable`, and nothing of
  its call is stored: whoever sent a batch sends its parts, and finds the one.
* A row that somebody damaged stops no other: it is read as far as it can be, see
  `StoredTask`; of instances, settings and history likewise.
* An alias stands for its task in `get`, `attempts`, `cancel` and ``retry_of``.
* An instance is alive from `enlist` until it is declared dead or retires. One that is not
  alive claims nothing and recovers nothing.
* What sign-in needs of a store is in `backends.logins`, under the same rules.
* A store that cannot answer raises `StoreUnavailable` (`StoreFull` when the disk is full);
  driver exceptions never pass.

Values on the hot path are named tuples: a frozen dataclass costs five times as much to
make, and a task needs several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Self

from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import AuditEntry, TaskRecord, TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = [
    "ENDING_LENGTH",
    "Admission",
    "Attempt",
    "Backend",
    "CancelAnswer",
    "CancelResult",
    "ClaimRequest",
    "Claimed",
    "Content",
    "ContentField",
    "Contents",
    "Grade",
    "Grain",
    "Inserted",
    "InstanceInfo",
    "KeyConflict",
    "Lease",
    "LogChunk",
    "MirrorAnswer",
    "NewTask",
    "Outcome",
    "Page",
    "Peer",
    "Purged",
    "Query",
    "QueueIsFull",
    "RetryRefused",
    "Rewrite",
    "Rollup",
    "RollupQuery",
    "Settled",
    "Signals",
    "Snapshot",
    "SnapshotBackend",
    "Stored",
    "StoredTask",
    "Tally",
    "no_backend",
    "weight",
]


class Grade(Enum):
    """What a committed write survives."""

    A = "survives power loss"
    B = "survives a crash of the process"
    C = "survives nothing: memory only"


# Tasks going in


class NewTask(NamedTuple):
    """A task to store.

    ``due_at`` (absolute) wins over ``delay`` (seconds from the store's now); one of them
    always sets the record's ``due_at``. A task with an ``owner`` is born claimed by that
    instance: fence 1, still PENDING. Without one it is free to be claimed, fence 0; so is a
    durable task whose owner is not alive, because nobody would recover it.
    ``persist=False`` tasks always have an owner and are never given by `Backend.claim`.
    """

    task_id: str
    func_name: str
    payload: bytes | None
    queue: str
    created_at: datetime
    priority: int | None = None
    delay: float = 0.0
    due_at: datetime | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    persist: bool = True
    # Re-run when its owner dies after the start.
    requeue: bool = False
    tags: Mapping[str, str] = {}
    source: str = "manual"
    executor: str | None = None
    # The idempotency key and fingerprint of a retry are its original's, whatever is given.
    retry_of: str | None = None
    # With retry_of: delete the original in the same transaction.
    replace_original: bool = False
    # If an equal task holds the key: keep this id as an alias of it, because somebody
    # was told this id already.
    alias: bool = False
    owner: str | None = None


class Inserted(NamedTuple):
    """How one task of an accepted group is stored.

    ``task_id`` is the canonical id: the existing task's when ``duplicate``. ``fence`` is
    1 for a task born claimed, else 0 (duplicates too). A repeated insert answers the same
    whatever became of the task since.
    """

    task_id: str
    duplicate: bool
    fence: int


class Stored(NamedTuple):
    """The group is committed, one `Inserted` per task in order."""

    tasks: tuple[Inserted, ...]


class KeyConflict(NamedTuple):
    """Nothing of the group is stored: a key is held by a task with another fingerprint."""

    key: str
    task_id: str


class QueueIsFull(NamedTuple):
    """Nothing of the group is stored but a REJECTED record of the first task that did not fit.

    The record keeps its payload and may be retried; it holds no key and its ``retry_of``
    is not linked back. Sending the group again answers the same and keeps no second record.
    """

    queue: str
    max_size: int
    task_id: str


class RetryRefused(NamedTuple):
    """Nothing of the group is stored: ``task_id`` (the ``retry_of``) cannot be retried.

    Exactly one is set: ``retried_as`` (it was retried before) or ``status`` (its state is
    not in `states.RETRYABLE`); both None: no such task.
    """

    task_id: str
    retried_as: str | None = None
    status: TaskStatus | None = None


Admission = Stored | KeyConflict | QueueIsFull | RetryRefused


# Claims and their ends


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


class ClaimRequest(NamedTuple):
    """What one instance can run now.

    ``queues`` gives the free slots by queue name; at most ``limit`` tasks are claimed in
    all, and only of ``functions``. At most ``suspects`` of them (0 or 1) may have
    `retry.QUARANTINE_FROM` or more interruptions. Sending a ``claim_id`` again answers the
    same tasks as far as they are still held under it and not started.
    """

    instance: str
    claim_id: str
    queues: Mapping[str, int]
    limit: int
    functions: frozenset[str]
    suspects: int = 1


class Claimed(NamedTuple):
    """A task that the caller now holds, with the fence that its lease needs."""

    lease: Lease
    task: StoredTask


class Outcome(NamedTuple):
    """How a claim ends. ``delay`` (seconds) sets the due time of moves to PENDING.

    ``elapsed`` is the attempt's length in seconds on a monotonic clock. ``logs`` are lines
    not yet given to `append_logs`; they are stored even if cancel wins, with
    ``logs_anew`` in place of those that the task has. ``error`` and ``stacktrace`` replace
    the record's.
    """

    lease: Lease
    move: Move
    delay: float = 0.0
    error: str | None = None
    stacktrace: str | None = None
    elapsed: float | None = None
    logs: tuple[str, ...] = ()
    logs_anew: bool = False


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


# Write-behind of persist=False tasks


class Snapshot(NamedTuple):
    """The latest state of a ``persist=False`` task; its owner is the only writer.

    ``logs`` holds only lines that no earlier snapshot held; with ``logs_anew`` they
    replace the lines of all earlier ones.
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


class MirrorAnswer(NamedTuple):
    """``accepted`` is False when the row is terminal or was handed over by `Backend.recover`.

    (Its owner was declared dead.) Nothing of the snapshot is stored then.
    """

    accepted: bool
    cancel_asked: bool


class LogChunk(NamedTuple):
    """Log lines of a running attempt; dropped when the lease is lost.

    ``anew``: they replace the lines that the task has, of this and earlier attempts.
    """

    lease: Lease
    lines: tuple[str, ...]
    anew: bool = False


# Reading


ENDING_LENGTH = 8
"""Characters at the end of an id by which people tell tasks apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filters of `search` and `count`; those given must all hold.

    Args:
        statuses: Any of these; empty means all.
        tag: An exact (key, value) pair.
        text: Matches the start of the id or of the function name, an exact tag value, an
            ``ending``, or a part of the error text within the newest 10,000 tasks.
        ending: The last `ENDING_LENGTH` characters of the id or of an alias's, within the
            newest 100,000 of each.
        since: ``created_at`` at or after.
        until: ``created_at`` before.
    """

    statuses: frozenset[TaskStatus] = frozenset()
    func_name: str | None = None
    queue: str | None = None
    tag: tuple[str, str] | None = None
    text: str | None = None
    ending: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Page(NamedTuple):
    """Tasks, latest arrival first. ``cursor`` asks for the next page; None: no more."""

    tasks: list[StoredTask]
    cursor: str | None


class Tally(NamedTuple):
    """Counters of one (queue, function, state).

    ``rows`` tasks are in that state now; ``ended`` came to it over all time (0 for live
    states; never falls, also when records are deleted) and took ``seconds`` in all
    (the ``elapsed`` of their last attempts). Aliases count nowhere.
    """

    queue: str
    func_name: str
    status: TaskStatus
    rows: int
    ended: int
    seconds: float


class Grain(Enum):
    """Over which spans of time ended tasks are summed up, and how long the sums are kept.

    Spans begin at multiples of their length since the epoch, so days are those of UTC.

    Attributes:
        seconds: Length of a span; 0 for `EVER`, which is one span.
        kept_days: How old a span's begin may become; None: any age.
    """

    MINUTE = (60, 2)
    HOUR = (3_600, 90)
    DAY = (86_400, 1_830)
    EVER = (0, None)

    def __init__(self, seconds: int, kept_days: int | None) -> None:
        self.seconds = seconds
        self.kept_days = kept_days


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupQuery:
    """Which sums `Backend.rollups` gives.

    Args:
        since: Spans that begin at or after. `Grain.EVER` has no begin; leave it out there.
        until: Spans that begin before.
        func_name: Of this function only.
        by_start: Apart for each span; else added up over all of them.
        by_function: Apart for each function.
    """

    grain: Grain
    since: datetime | None = None
    until: datetime | None = None
    func_name: str | None = None
    by_start: bool = False
    by_function: bool = False


class Rollup(NamedTuple):
    """Tasks that came to one final state, by the store's clock within one span of time.

    ``start`` is the span's begin, None where the query does not part spans; ``func_name``
    likewise. ``ended`` tasks took ``seconds`` in all (the ``elapsed`` of their last
    attempts). ``durations`` says how many of them are in each bin of
    `fastapi_taskflow.words.durations`. As with `Tally`, deleted records stay counted.
    """

    start: datetime | None
    func_name: str | None
    status: TaskStatus
    ended: int
    seconds: float
    durations: Mapping[int, int]


class Purged(NamedTuple):
    """What one call of `Backend.purge` deleted.

    ``task_ids`` are records, in the order in which they ended; ``keys`` counts expired
    idempotency keys. Only if both are below the limit nothing was left for another call.
    """

    task_ids: tuple[str, ...]
    keys: int


# Contents: what an encryption above the drivers may have sealed


class ContentField(Enum):
    """Where in a task a content is."""

    PAYLOAD = "payload"
    ERROR = "error"
    STACKTRACE = "stacktrace"
    LOGS = "logs"


class Content(NamedTuple):
    """One value that a task holds; never empty.

    ``number`` is 0 for the task's own, else it names one of its attempts or of its writes
    of log lines. Payloads are bytes, log lines a tuple, the others text.
    """

    task_id: str
    field: ContentField
    number: int
    value: bytes | str | tuple[str, ...]


class Contents(NamedTuple):
    """The contents of some tasks, and where those of the next begin (None: no more tasks)."""

    found: list[Content]
    cursor: str | None


class Rewrite(NamedTuple):
    """A content as it was read, and what to put in its place."""

    content: Content
    value: bytes | str | tuple[str, ...]


# Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceInfo:
    """What an instance says of itself when it enlists. ``ttl`` is in seconds."""

    instance_id: str
    host: str
    pid: int
    started_at: datetime
    roles: frozenset[str]
    ttl: float
    functions: frozenset[str] = frozenset()


class Peer(NamedTuple):
    """An enlisted instance as the store has it. ``counter`` grows with each heartbeat."""

    info: InstanceInfo
    counter: int
    lag: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What others want an instance to know.

    Attributes:
        cancel: Ids of tasks it owns for which cancel was asked.
        queues: Stored queue settings, by queue then setting name; what is absent was
            never set and stays as the code says.
        peers: All instances that have enlisted and not retired, itself included.
    """

    cancel: tuple[str, ...] = ()
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()


class Backend(Logins, ABC):
    """Storage of tasks and of logins; see the module for the rules that hold for every verb.

    Construction does no I/O. All verbs but `beat` are called from the event loop that
    called `open`; `beat` blocks and is called from one thread of the engine's own.

    Raises:
        ConfigurationError: at construction, a class that lacks verbs; the message names them.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if cls.__abstractmethods__:
            raise no_backend(cls)
        return super().__new__(cls)

    # Life

    @property
    @abstractmethod
    def grade(self) -> Grade:
        """What a committed write survives."""

    @property
    def place(self) -> str:
        """Where it keeps tasks, for people's eyes: a path, or an address without a password."""
        return type(self).__name__

    @abstractmethod
    async def open(self, on_change: Callable[[], None]) -> None:
        """Connect and create or migrate what is missing.

        Args:
            on_change: Called on this event loop, at any time and often for nothing, as a
                hint that another instance changed something.

        Raises:
            StoreUnavailable: the store cannot be reached.
            ConfigurationError: it is of a kind or place that cannot be supported.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in and disconnect. Idempotent."""

    # Tasks

    @abstractmethod
    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        """Store groups of tasks; each group wholly or not at all, all in one commit if possible.

        Groups, and the tasks in them, count in order: an earlier task of the call holds its
        key and its place for later ones, and the first task that cannot be stored decides
        the answer of its group. Checked per task: known id (then nothing else), ``retry_of``,
        key, limit. A duplicate creates nothing but its alias, takes no place in the queue and
        links no retry.

        Args:
            groups: Each with at least one task.
            limits: ``max_size`` by queue. It counts PENDING tasks of the queue, in the whole
                store, that were never started (``start_time`` is None), claimed ones too.
            key_ttl: Seconds for which the keys taken by this call are held after SUCCESS, or
                after an end with unknown effect (INTERRUPTED or CANCELLED of a task that was
                started, if only for an earlier attempt). Keys are held while PENDING or
                RUNNING, and are free after FAILED, REJECTED and after INTERRUPTED or
                CANCELLED of a task that was never started. A held key outlives its deleted
                record. A retry takes its original's key over from it; where another task
                has got the key meanwhile, the retry is its duplicate or conflict like any
                other task.
        """

    @abstractmethod
    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Take due, free, durable tasks: highest priority, then earliest due time, then arrival.

        Queues that are paused in the store give nothing. A missing priority orders as 0.
        Across queues the order is the same, as far as their slots allow. What cannot be
        taken (another function, one suspect too many) holds nothing up behind it.
        """

    @abstractmethod
    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        """Commit RUNNING for claimed tasks. None: the lease is lost or the task was cancelled.

        Otherwise the start time. Sets ``retries_used`` to the failures so far. A lease that
        is RUNNING already answers the same again.
        """

    @abstractmethod
    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        """End claims as `states.MOVES` says. None: no such task (purged).

        A move to PENDING frees the task (no owner) and sets its due time, a terminal one
        sets ``end_time``. An attempt that does not end its task adds an `Attempt` (so not
        UNSTART and GIVE_BACK: no function was called). The rule's counters count also where
        cancel wins. Where the lease is lost nothing changes and a late `Attempt` is kept
        (once). A move whose source state is not the task's changes nothing.
        """

    @abstractmethod
    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        """Cancel what has not started; ask for the rest.

        A durable PENDING task becomes CANCELLED at once. RUNNING tasks, and live
        ``persist=False`` ones, only get the flag that their owner reads in `signals`.
        Terminal tasks are refused. Ids count in order: the second of two equal ones sees
        what the first did.
        """

    @abstractmethod
    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        """Write the latest state of ``persist=False`` tasks, newer over older.

        A task that is not stored yet is stored as if born claimed; one that came through
        `insert` with an idempotency key keeps or frees it as `insert` says (a key's time
        runs from the write, by the store's clock). ``instance`` becomes the owner of live
        ones (it may have changed its id since). A known row that somebody recovered or
        that is terminal stays as it is.
        """

    @abstractmethod
    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        """Add log lines to running tasks, after those they have (or in their place)."""

    @abstractmethod
    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        """Tasks by id, with logs. An alias answers its task under the alias's id, with
        ``duplicate_of`` set.
        """

    @abstractmethod
    async def attempts(self, task_id: str) -> list[Attempt]:
        """The stored history of one task, oldest first."""

    @abstractmethod
    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        """One page of tasks without their payloads; aliases are no tasks.

        A cursor stays valid while tasks come and go: nothing is shown twice, and nothing
        that stays is left out.

        Args:
            most_bytes: With logs and stack traces; the page ends before the task whose
                `weight` would make it heavier, but not before its first. None: without
                either.

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        """How many tasks match, at most ``cap``."""

    @abstractmethod
    async def tally(self) -> list[Tally]:
        """All counters, at a cost that does not grow with history."""

    @abstractmethod
    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """Sums of what ended, in no order; spans without ends are left out.

        They are as new as the counters, and all grains agree. The cost grows with the spans
        asked for and the functions, not with tasks.
        """

    @abstractmethod
    async def fold(self, *, limit: int) -> int:
        """Tidy the rollups: sum up new ones, delete those older than their `Grain` says.

        What `rollups` answers for times that are kept does not change. Several instances
        may do it at the same time.

        Args:
            limit: About so many of the store's rows are touched; it bounds how long other
                writers wait.

        Returns:
            How many there were; only below ``limit`` nothing was left for another call.
        """

    @abstractmethod
    async def next_due(self, queues: Sequence[str]) -> float | None:
        """Seconds until the earliest free durable task of these queues is due.

        0 or less when one is due now; None when there is none. Paused queues give none.
        """

    @abstractmethod
    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        """Delete old records, the first that ended first, and expired idempotency keys.

        With a record go its logs, attempts, tags and aliases. What stays: the counters of
        what ended, its key until that expires, the audit trail, and the links of its retry
        and of what it retried, which lead nowhere then. The cost does not grow with what
        is kept. Several instances may purge at the same time.

        Args:
            before: Terminal tasks that ended before this instant are deleted, equal ends by
                arrival; None: only keys are.
            limit: At most so many records, and at most so many keys; from 1 up. It bounds
                how long other writers wait.
        """

    # Fleet

    @abstractmethod
    async def enlist(self, info: InstanceInfo) -> None:
        """Make an instance known, alive from now on.

        Where the store has file locks, its lock is held from before the row exists until
        `retire`, `close` or the death of the process.
        """

    @abstractmethod
    def beat(self, instance: str, lag: float) -> bool:
        """Heartbeat: one more on the instance's counter. Blocks; has its own connection.

        Args:
            lag: Seconds by which the event loop answered late.

        Returns:
            False if the instance was declared dead (or is unknown): it must take a new id.
        """

    @abstractmethod
    async def gone(self, instances: Sequence[str]) -> frozenset[str]:
        """Those that are proven dead by a free lock. Empty where the store has no locks."""

    @abstractmethod
    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        """Declare ``dead`` dead and hand up to ``limit`` of its tasks to ``by``.

        They keep their state and get a new fence, so nothing that the dead one still sends
        counts. ``by`` ends each claim with `finish`. Fewer than ``limit`` means that none is
        left, and the dead instance's row is gone; until then it stays among the peers, so
        that others can go on if ``by`` dies. Tasks of an instance that has no row are handed
        over too. Where ``by`` is not alive, or is ``dead`` itself, nothing is done and the
        answer is empty.
        """

    @abstractmethod
    async def owned(self, instance: str) -> list[Claimed]:
        """All live tasks that the store says the instance holds."""

    @abstractmethod
    async def retire(self, instance: str) -> None:
        """Goodbye: the instance is not alive any more. Its lock goes, and its row.

        If live tasks are still its own, the row stays until `recover` has handed them over.
        """

    @abstractmethod
    async def signals(self, instance: str) -> Signals:
        """What others want this instance to know; a cheap read."""

    # Operators

    @abstractmethod
    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Merge settings (``concurrency max_size paused``) into the stored ones; all of them."""

    @abstractmethod
    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        """Everything that up to ``limit`` tasks hold, in order of arrival, as it is stored.

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        """Replace contents. False where the value is not the one given any more, or is gone.

        Nothing else of the task changes, and nobody is told.
        """

    @abstractmethod
    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep what operators did."""

    @abstractmethod
    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """Audit entries, newest first, and the cursor of the next page (None: no more).

        Raises:
            ValueError: the cursor is not one of this backend's.
        """


SnapshotBackend = Backend
"""The name that the port had in the older package, for annotations and checks of type.

Its verbs were others: they wrote all records now and then, which can neither commit a task
before its response nor let two instances share one. A class with those is refused.
"""

# Names, numbers and times of a record, as JSON.
_FRAME_BYTES = 800


def weight(record: TaskRecord) -> int:
    """About how many bytes a record has as JSON."""
    texts = (record.error or "", record.stacktrace or "", *record.logs, *record.tags.values())
    # Quotes, commas and spaces between lines are part of it.
    return _FRAME_BYTES + sum(len(text.encode("utf-8", "replace")) + 4 for text in texts)


_OLDER_VERBS = ("save", "load", "save_pending", "load_pending", "clear_pending")


def no_backend(kind: type) -> ConfigurationError:
    """Why objects of a class cannot store tasks: the verbs that it lacks, by name."""
    mine: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    names = Backend.__abstractmethods__
    lacks = sorted(name for name in names if name in mine or not hasattr(kind, name))
    text = f"{kind.__name__} cannot store tasks: it lacks {', '.join(lacks)}."
    if all(hasattr(kind, verb) for verb in _OLDER_VERBS):
        text += (
            f" Its {', '.join(_OLDER_VERBS)} are those of the older package, which wrote all "
            "records now and then; with them no task could be stored before its response. Use "
            "snapshot_db='tasks.db', or implement fastapi_taskflow.Backend; the guide on "
            "migrating says more."
        )
    return ConfigurationError(text)
