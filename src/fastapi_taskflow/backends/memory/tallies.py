"""Counters per queue, function and state, so that totals cost nothing to read."""

from __future__ import annotations

from bisect import bisect
from datetime import UTC, datetime, timedelta

from fastapi_taskflow.backends.base import Rollup, RollupQuery, Tally
from fastapi_taskflow.backends.memory.rollups import STATE_BITS, STATES, WAITED, Cells, Rollups
from fastapi_taskflow.words.durations import BOUNDS
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Family", "Tallies", "due_since"]

_INDEX = {status: place for place, status in enumerate(STATES)}
_NONE = (0,) * len(STATES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


class Family:
    """The counters of one (queue, function); each list has a place per state.

    ``recent`` has the ends, by place and bin as in `Cells`, since `settle` was last called.
    ``ended`` and ``seconds`` have those before. ``leased`` counts durable tasks with an owner.
    """

    __slots__ = (
        "ended",
        "func_name",
        "leased",
        "queue",
        "recent",
        "recent_seconds",
        "rows",
        "seconds",
    )

    def __init__(self, queue: str, func_name: str) -> None:
        self.queue = queue
        self.func_name = func_name
        self.leased = 0
        self.rows = list(_NONE)
        self.ended = list(_NONE)
        self.seconds = [0.0] * len(STATES)
        self.recent: Cells = {}
        self.recent_seconds = [0.0] * len(STATES)

    def enter(self, status: TaskStatus) -> None:
        """A task is in a live state now."""
        self.rows[_INDEX[status]] += 1

    def leave(self, status: TaskStatus) -> None:
        """A task is in this state no more, or deleted."""
        self.rows[_INDEX[status]] -= 1

    def end(self, status: TaskStatus, seconds: float | None) -> None:
        """A task came to a terminal state. Called for every task: the rest is `settle`'s."""
        place = slot = _INDEX[status]
        self.rows[place] += 1
        if seconds is not None:
            self.recent_seconds[place] += seconds
            slot |= bisect(BOUNDS, seconds) << STATE_BITS
        recent = self.recent
        recent[slot] = recent.get(slot, 0) + 1

    def settle(self) -> Cells:
        """Count the recent ends among the others; what they were."""
        cells, self.recent = self.recent, {}
        for slot, number in cells.items():
            if slot < WAITED:
                self.ended[slot & ((1 << STATE_BITS) - 1)] += int(number)
        for place, seconds in enumerate(self.recent_seconds):
            if seconds:
                self.seconds[place] += seconds
                self.recent_seconds[place] = 0.0
                cells[~place] = seconds
        return cells


class Tallies:
    """All counters. They grow with the number of queues and functions, not with tasks."""

    def __init__(self) -> None:
        self._families: dict[tuple[str, str], Family] = {}
        self._rollups = Rollups()
        # Invariant: what is recent in any family ended in the minute that began then.
        self._minute = 0
        # When it is over.
        self._turn_at = _EPOCH

    def family(self, queue: str, func_name: str) -> Family:
        found = self._families.get((queue, func_name))
        if found is None:
            found = self._families[queue, func_name] = Family(queue, func_name)
        return found

    def leased(self) -> dict[tuple[str, str], int]:
        """Durable tasks with an owner, by queue and function."""
        return {of: family.leased for of, family in self._families.items()}

    def turn(self, now: datetime) -> None:
        """What ends from now on ends at this instant or later."""
        if now < self._turn_at:
            return
        self._settle()
        second = int(now.timestamp())
        self._minute = second - second % 60
        self._turn_at = now.replace(second=0, microsecond=0) + _MINUTE
        self._rollups.drop(self._minute)

    def wait(self, family: Family, status: TaskStatus, record: TaskRecord) -> None:
        """A task came to a terminal state: count as well when it had started, as `wait_of` says."""
        started_at, since = _moment(record.start_time), due_since(record)
        if started_at is None or since is None or started_at < since:
            return
        seconds = (started_at - since).total_seconds()
        slot = WAITED | bisect(BOUNDS, seconds) << STATE_BITS | _INDEX[status]
        if started_at >= self._turn_at - _MINUTE:
            recent = family.recent
            recent[slot] = recent.get(slot, 0) + 1
        else:
            second = int(started_at.timestamp())
            self._rollups.add(second - second % 60, family.func_name, {slot: 1})

    def read(self) -> list[Tally]:
        """Every counter that is not zero."""
        self._settle()
        return [
            Tally(
                family.queue,
                family.func_name,
                status,
                family.rows[place],
                family.ended[place],
                family.seconds[place],
            )
            for family in self._families.values()
            for place, status in enumerate(STATES)
            if family.rows[place] or family.ended[place]
        ]

    def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See `Backend.rollups`."""
        self._settle()
        return self._rollups.read(query)

    def _settle(self) -> None:
        for family in self._families.values():
            if family.recent:
                self._rollups.add(self._minute, family.func_name, family.settle())


def due_since(record: TaskRecord) -> datetime | None:
    """When it is due, or came, if it was due at once; None: nobody knows."""
    return _moment(record.created_at if record.due_at is None else record.due_at)


def _moment(value: object) -> datetime | None:
    """The app may have made anything of its record."""
    return value if type(value) is datetime and value.tzinfo is UTC else None
