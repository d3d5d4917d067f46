"""Groups of failures: what a failed attempt adds to them, and what a query's answer adds up to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery, Grain
from fastapi_taskflow.backends.rules.retention import span_of

__all__ = ["GRAINS", "Failed", "Seen", "Times", "add_up", "merged", "oldest_seen", "span_begin"]

GRAINS = (Grain.HOUR, Grain.DAY)
"""Over which failures are counted, as long as others' sums are kept."""

_KEPT_DAYS = 90
_DAY_SECONDS = 86_400


class Failed(NamedTuple):
    """Attempts of one commit that failed alike; ``task_id`` is the last one's."""

    group: str
    func_name: str
    kind: str
    times: int
    task_id: str


class Seen(NamedTuple):
    """Attempts that failed alike between two instants, as far as one row of a store knows."""

    group: str
    func_name: str
    kind: str
    first_at: datetime
    last_at: datetime
    times: int
    task_id: str


class Times(NamedTuple):
    """How often a group failed in a span of time; ``second`` is any of the span's."""

    group: str
    second: int
    times: int


def merged(one: Seen, other: Seen) -> Seen:
    """What two rows of a group know together, the later one last."""
    last = other if other.last_at >= one.last_at else one
    first_at = min(one.first_at, other.first_at)
    return last._replace(first_at=first_at, times=one.times + other.times)


def oldest_seen(second: int) -> int:
    """Groups that failed last before this second are forgotten now."""
    return second - _KEPT_DAYS * _DAY_SECONDS


def span_begin(query: FailureQuery) -> int | None:
    """The second from which on a query's spans begin."""
    moment = query.spans_since
    if moment is None:
        return None
    return int(moment.timestamp()) + (moment.microsecond > 0)


def add_up(
    query: FailureQuery, seen: Iterable[Seen], times: Iterable[Times] = ()
) -> list[FailureGroup]:
    """The answer; what the query does not ask for may be among what is found."""
    groups: dict[str, Seen] = {}
    for one in seen:
        known = groups.get(one.group)
        groups[one.group] = one if known is None else merged(known, one)
    spans: dict[str, dict[datetime, int]] = {group: {} for group in groups}
    begin = span_begin(query)
    for group, second, number in times:
        start = span_of(query.grain, second)
        if begin is not None and start >= begin and group in spans:
            moment = datetime.fromtimestamp(start, UTC)
            spans[group][moment] = spans[group].get(moment, 0) + number
    found = [
        FailureGroup(*one, spans=dict(sorted(spans[one.group].items())))
        for one in groups.values()
        if query.group in (None, one.group)
        and query.func_name in (None, one.func_name)
        and (query.since is None or one.last_at >= query.since)
    ]
    found.sort(key=lambda one: (one.last_at, one.group), reverse=True)
    return found[: query.limit]
