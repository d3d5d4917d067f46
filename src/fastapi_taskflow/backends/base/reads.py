"""Looking: filters, pages, counters and sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from fastapi_taskflow.backends.base.claims import Attempt, StoredTask
from fastapi_taskflow.backends.base.failures import FailureGroup, FailureQuery
from fastapi_taskflow.backends.base.grains import Grain
from fastapi_taskflow.backends.base.traffic import Traffic
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = [
    "ENDING_LENGTH",
    "Page",
    "Query",
    "Reads",
    "Rollup",
    "RollupQuery",
    "Tally",
    "weight",
]


ENDING_LENGTH = 8
"""Characters at the end of an id by which people tell tasks apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filters of `search` and `count`; those given must all hold.

    Args:
        statuses: Any of these; empty means all.
        tag: An exact (key, value) pair.
        text: Matches the start of the id or of the function name, an exact tag value, an
            ``ending``, or a part of the title, the summary or the error text within the newest
            10,000 tasks.
        ending: The last `ENDING_LENGTH` characters of the id or of an alias's, within the
            newest 100,000 of each.
        since: ``created_at`` at or after.
        until: ``created_at`` before.
        batch_id: Of this batch, its callbacks too.
        order_key: Of this key, those that have ended too.
        failure: Whose last attempt failed, and in this group.
        retried: Whether somebody has retried it by hand.
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
    batch_id: str | None = None
    order_key: str | None = None
    failure: str | None = None
    retried: bool | None = None


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

    ``waits`` says the same of how long tasks had been due when they started. They are those that
    started within the span, whenever they ended: a wait is counted with its task's end. Of
    retried tasks it is the last attempt's, from the date of the retry. A task that never
    started has none, nor has one that was called off between its attempts.
    """

    start: datetime | None
    func_name: str | None
    status: TaskStatus
    ended: int
    seconds: float
    durations: Mapping[int, int]
    waits: Mapping[int, int] = MappingProxyType({})


# Names, numbers and times of a record, as JSON.
_FRAME_BYTES = 800


def weight(record: TaskRecord) -> int:
    """About how many bytes a record has as JSON."""
    own = (record.error, record.stacktrace, record.title, record.summary)
    texts = (*(text or "" for text in own), *record.logs, *record.tags.values())
    # Quotes, commas and spaces between lines are part of it.
    return _FRAME_BYTES + sum(len(text.encode("utf-8", "replace")) + 4 for text in texts)


class Reads(ABC):
    """What is shown of tasks; nothing of it changes them."""

    @abstractmethod
    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        """Tasks by id, with logs. An alias answers its task under the alias's id, with
        ``duplicate_of`` set.
        """

    @abstractmethod
    async def attempts(self, task_id: str) -> list[Attempt]:
        """The stored history of one task, in the order in which it was kept: a late attempt
        may stand behind those of later claims.
        """

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
        """Sums of what ended, in no order; spans without any are left out.

        They are as new as the counters, and all grains agree. The cost grows with the spans
        asked for and the functions, not with tasks.
        """

    @abstractmethod
    async def failures(self, query: FailureQuery) -> list[FailureGroup]:
        """Groups of failed attempts, the last that failed first.

        Counted are the outcomes that counted, durable tasks' retries too, and snapshots that
        end in FAILED. Groups stay when records are deleted, until they have not failed for 90
        days. The cost grows with the groups and spans asked for, not with tasks.
        """

    async def traffic(
        self, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
    ) -> Traffic:
        """What decides why tasks wait, as far as a store tells.

        Args:
            order_keys: Of which the first live tasks are told, ``most`` of each.
            buckets: By name, of which the levels are.
            leased: Count those that are claimed or running.
        """
        return Traffic()

    @abstractmethod
    async def waiting_since(self, queues: Sequence[str]) -> dict[str, datetime]:
        """Since when the first of each queue waits: the earliest due time that has come of its
        tasks that are to start, paused ones too; queues without any are left out.

        Those count as well that an instance holds and has not started, as far as a store finds
        them. One behind another of its order key waits for that, and does not count. The cost
        does not grow with how many durable tasks nobody holds, but in memory.
        """

    @abstractmethod
    async def next_due(self, queues: Sequence[str]) -> float | None:
        """Seconds until the earliest free durable task of these queues is due.

        0 or less when one is due now; None when there is none. Paused queues give none.
        """
