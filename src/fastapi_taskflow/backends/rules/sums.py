"""Rollups: in which spans of time an end counts, and what a query's answer adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery
from fastapi_taskflow.backends.rules.retention import span_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Sum", "add_up", "seconds_of", "spans"]

_NEVER = 2**62


class Sum(NamedTuple):
    """So many tasks that ended in one state, and whose lengths are in one bin.

    ``second`` is any of the span's, since the epoch.
    """

    second: int
    func_name: str
    status: TaskStatus
    bin: int
    ended: int
    seconds: float


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


def add_up(query: RollupQuery, found: Iterable[Sum]) -> list[Rollup]:
    """The answer; sums that the query does not ask for may be among those found."""
    since, until = seconds_of(query)
    parts: dict[tuple[int | None, str | None, TaskStatus], tuple[Counter[int], list[float]]] = {}
    for one in found:
        start = span_of(query.grain, one.second)
        if query.func_name in (None, one.func_name) and since <= start < until:
            name = one.func_name if query.by_function else None
            part = start if query.by_start else None, name, one.status
            bins, seconds = parts.setdefault(part, (Counter(), []))
            bins[one.bin] += one.ended
            seconds.append(one.seconds)
    return [
        Rollup(_moment(start), name, status, bins.total(), sum(seconds), dict(bins))
        for (start, name, status), (bins, seconds) in parts.items()
    ]
