"""Rollups: in which spans of time an end and a wait count, and what an answer adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery
from fastapi_taskflow.backends.rules.retention import span_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Sum", "add_up", "seconds_of", "spans", "wait_of"]

_NEVER = 2**62


class Sum(NamedTuple):
    """``ended`` tasks in one state whose lengths are in one bin, ``waited`` whose waits are.

    ``second`` is any of the span's, since the epoch.
    """

    second: int
    func_name: str
    status: TaskStatus
    bin: int
    ended: int
    seconds: float
    waited: int


def wait_of(
    due_at: datetime | None, created_at: datetime, start_time: datetime | None
) -> float | None:
    """For how many seconds a task had been due when it started last.

    None: it never started, or it is due anew since.
    """
    since = created_at if due_at is None else due_at
    if start_time is None or start_time < since:
        return None
    return (start_time - since).total_seconds()


def spans(second: int) -> dict[Grain, int]:
    """The spans in which an end counts, by their begin in seconds."""
    return {grain: span_of(grain, second) for grain in Grain}


def seconds_of(query: RollupQuery) -> tuple[int, int]:
    """A query's spans begin from the first of these seconds on, and before the other."""
    return _up(query.since, 0), _up(query.until, _NEVER)


def _up(moment: datetime | None, default: int) -> int:
    if moment is None:
        return default
    return int(moment.timestamp()) + (moment.microsecond > 0)


def _moment(start: int | None) -> datetime | None:
    return None if start is None else datetime.fromtimestamp(start, UTC)


class _Part(NamedTuple):
    durations: Counter[int]
    seconds: list[float]
    waits: Counter[int]

    def add(self, one: Sum) -> None:
        if one.ended:
            self.durations[one.bin] += one.ended
            self.seconds.append(one.seconds)
        if one.waited:
            self.waits[one.bin] += one.waited


def add_up(query: RollupQuery, found: Iterable[Sum]) -> list[Rollup]:
    """The answer; sums that the query does not ask for may be among those found."""
    since, until = seconds_of(query)
    parts: dict[tuple[int | None, str | None, TaskStatus], _Part] = {}
    for one in found:
        start = span_of(query.grain, one.second)
        if query.func_name in (None, one.func_name) and since <= start < until:
            name = one.func_name if query.by_function else None
            part = start if query.by_start else None, name, one.status
            parts.setdefault(part, _Part(Counter(), [], Counter())).add(one)
    return [
        Rollup(
            _moment(start),
            name,
            status,
            sums.durations.total(),
            sum(sums.seconds),
            dict(sums.durations),
            dict(sums.waits),
        )
        for (start, name, status), sums in parts.items()
    ]
