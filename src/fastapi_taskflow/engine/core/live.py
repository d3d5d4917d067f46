"""A task in this process: its public record, and what the engine needs to run it."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from typing import Any, Protocol, TypeAlias

from fastapi_taskflow.backends.base import Lease, Member, Result
from fastapi_taskflow.engine.core.journal import Journal, Unsent
from fastapi_taskflow.engine.core.news import News, Told
from fastapi_taskflow.executors.base import Reason
from fastapi_taskflow.rules.codec import is_small
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.conflicts import Disposition
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["LiveTask", "Running", "Turn"]

Turn: TypeAlias = tuple[float, float, int]
"""Sorts those that wait; see `LiveTask.order`."""

_arrivals = itertools.count()
_NOTHING = Unsent(())
_NO_NEWS = Told()
# Two threads of one task may write its first line.
_opening = threading.Lock()


class Running(Protocol):
    """A task's attempt in progress, for those who do not run it."""

    task: LiveTask
    number: int
    # By the monotonic clock.
    begun: float

    def stop(self, reason: Reason) -> None:
        """End it; see `Attempts.stop`."""


class LiveTask:
    """One task in this process.

    ``durable`` tasks change state through the store's verbs; the others live here and are
    mirrored to the store. ``disposition`` is what its insert came to.
    """

    __slots__ = (
        "_small",
        "alias",
        "args",
        "arrival",
        "attempt",
        "cancel_asked",
        "context",
        "counted",
        "delay",
        "disposition",
        "durable",
        "failure",
        "failures",
        "fence",
        "fingerprint",
        "held",
        "interruptions",
        "journal",
        "kwargs",
        "lane",
        "launch_on_commit",
        "member",
        "news",
        "pace",
        "packed",
        "payload",
        "ready_at",
        "record",
        "registered",
        "released",
        "replace_original",
        "requeue",
        "reserved",
        "result",
        "stored",
        "timer",
        "unreadable",
    )

    # Of the last attempt, if that failed.
    failure: Failure | None
    # ``debounce`` and ``key_ttl`` of its `NewTask`.
    pace: tuple[float, float | None]

    def __init__(
        self,
        record: TaskRecord,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        durable: bool,
    ) -> None:
        self.record, self.registered = record, registered
        self.args, self.kwargs = args, kwargs
        self._small: bool | None = None
        self.durable = durable
        self.context: contextvars.Context | None = None
        self.payload: bytes | None = None
        # The store has the payload, or there will be none.
        self.packed = False
        self.fingerprint: bytes | None = None
        self.requeue = registered.config.requeue_on_interrupt
        self.replace_original = False
        # If an equal task holds the key, this id stays known as an alias of it.
        self.alias = True
        self.disposition: Disposition = "created"
        self.member: Member | None = None
        # Why the stored arguments cannot be read.
        self.unreadable: Exception | None = None
        # The arguments are let go: what is here in their place are not they.
        self.released = False
        self.delay, self.fence, self.pace = 0.0, 1, (0.0, None)
        self.failures = self.interruptions = 0
        self.arrival = next(_arrivals)
        # When it became due, or arrived, by the monotonic clock: its place in line.
        self.ready_at = 0.0
        # The task is in the store (inserted, or mirrored at least once), and this instance
        # holds the lease, or owns the task's only copy.
        self.stored = self.held = False
        self.lane = self.cancel_asked = False
        # Dispatch as soon as the insert is committed (a lane task waits for its chain).
        self.launch_on_commit = False
        # In its queue's `QueueState.unstarted`; has a slot for now, see `Queues.reserve`.
        self.counted = self.reserved = False
        self.attempt: Running | None = None
        # Waits for a due time (retry or delay) that is kept in memory.
        self.timer: asyncio.TimerHandle | None = None
        # The log and what is told beside it, from the first here; and what was returned.
        self.journal: Journal | None = None
        self.news: News | None = None
        self.failure = None
        self.result: Result | None = None

    @property
    def is_small(self) -> bool:
        """The arguments are few plain values; see `codec.is_small`."""
        if self._small is None:
            self._small = is_small(self.args, self.kwargs)
        return self._small

    @property
    def kept(self) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments, if they may stay for as long as the record; see `release`."""
        return None if self.released or not self.is_small else (self.args, self.kwargs)

    def was_stored(self) -> None:
        """The store has all that is here, and nobody asks for the payload here again."""
        self.stored = True
        if self.payload is not None:
            self.payload, self.packed = None, True

    def give(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Set the arguments of the next attempt."""
        self.args, self.kwargs, self._small = args, kwargs, None

    @property
    def lease(self) -> Lease:
        return Lease(self.record.task_id, self.fence)

    def release(self) -> None:
        """Hold the arguments no longer; whoever needs them again reads what was stored.

        A few short texts and numbers may stay: they hold nothing, and records show them.
        """
        if self.durable:
            self.payload = None
        if not self.is_small:
            self.released = True
            self.give((), {})
            self.record.args, self.record.kwargs = (), {}

    def due_in(self, clock: Clock) -> float:
        """Seconds until it may start; not above zero: now."""
        due = self.record.due_at
        return self.delay if due is None else (due - clock.now()).total_seconds()

    def order(self, ageing: float | None = None) -> Turn:
        """Sort key within a queue: highest priority, then due time, then arrival.

        Args:
            ageing: Seconds that it waits count as one priority.
        """
        rank = -(self.record.priority or 0)
        # Of whom it is the turn does not change with time: all age alike.
        turn = rank if ageing is None else self.ready_at + rank * ageing
        return (turn, self.ready_at, self.arrival)

    def write_line(self, line: str, most_lines: int) -> bool:
        """Add to the log, from any thread; True if somebody has to be told of new lines."""
        return (self.journal or self._opened(most_lines)).add(line)

    def separate(self, line: str, most_lines: int) -> None:
        """Add a line that is worth no write of its own."""
        (self.journal or self._opened(most_lines)).add(line, quiet=True)

    def _opened(self, most_lines: int) -> Journal:
        with _opening:
            journal = self.journal = self.journal or Journal(self.record.logs, most_lines)
        return journal

    def take_logs(self) -> Unsent:
        """Log lines that were not handed out yet."""
        return _NOTHING if self.journal is None else self.journal.take()

    def all_logs(self, stored: list[str]) -> list[str]:
        """The whole log, of which the store knows ``stored``."""
        return list(stored) if self.journal is None else self.journal.shown(stored)

    def told(self) -> News:
        """What its function tells beside its log, to be added to."""
        if self.news is None:
            with _opening:
                self.news = self.news or News()
        return self.news

    @property
    def emitted(self) -> str | None:
        return None if self.news is None else self.news.emitted

    def take_news(self, *, last: bool = False) -> Told:
        """What was not handed out yet; see `News.take`."""
        return _NO_NEWS if self.news is None else self.news.take(last=last)

    def give_back_news(self, told: Told) -> None:
        """The store did not take it."""
        if self.news is not None:
            self.news.give_back(told)

    def give_back_logs(self, unsent: Unsent) -> None:
        """The store did not take them."""
        if self.journal is not None and unsent.lines:
            self.journal.give_back(unsent)
