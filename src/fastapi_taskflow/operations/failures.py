"""Failures by group: how often, since when, is it getting worse, and one to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery, Grain, Query
from fastapi_taskflow.backends.rules.retention import span_of
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.reading import Count, catch_up
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.errors import FailureNotFound
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["MOST_SEARCHED", "FailureInfo", "Trend", "count_failures", "failure", "failures"]

Trend = Literal["hour", "day"]

# Bars of a trend, the last of which is still filling up.
_SPANS = {"hour": (Grain.HOUR, 24), "day": (Grain.DAY, 30)}
_MICROS_PER_SECOND = 1_000_000
_MOST_COUNTED = 10_000
MOST_SEARCHED = 5_000
"""Groups that a search by text looks at: no store has an index for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureInfo:
    """Attempts that failed alike.

    Attributes:
        count: Since it was first seen.
        recent: Within the trend.
        trend: How many failed in each hour or day, without gaps, the oldest first.
        example: The task of the last one; None: its record is deleted.
        to_retry: Tasks that ended so and were not retried; None: it was not counted.
    """

    group: str
    func_name: str
    kind: str
    first_at: datetime
    last_at: datetime
    count: int
    recent: int
    trend: tuple[tuple[datetime, int], ...]
    example: TaskRecord | None
    to_retry: Count | None = None

    @property
    def error(self) -> str | None:
        """The example's; None: since then it has ended otherwise, or failed in another way."""
        example = self.example
        return example.error if example and example.failure == self.group else None


async def failures(
    desk: Desk,
    *,
    since: datetime | None = None,
    func_name: str | None = None,
    trend: Trend = "hour",
    text: str | None = None,
    limit: int = 50,
) -> list[FailureInfo]:
    """Groups, those that failed last first, at a cost that does not grow with history.

    Args:
        since: Those that have failed at or after this instant.
        text: A part of the function's name or of the exception's class, letters large or small;
            of the `MOST_SEARCHED` groups that failed last.
        trend: By hours of the last day, or by days of the last 30.
    """
    query = FailureQuery(limit=limit, func_name=func_name, since=since)
    return await _found(desk, query, trend, text=text)


async def count_failures(
    desk: Desk,
    *,
    since: datetime | None = None,
    func_name: str | None = None,
    text: str | None = None,
) -> Count:
    """How many groups `failures` would find without a limit, of those it looks at."""
    query = FailureQuery(limit=MOST_SEARCHED + 1, func_name=func_name, since=since)
    groups = await desk.engine.backend.failures(query)
    holding = sum(_holds(one, text) for one in groups[:MOST_SEARCHED])
    return Count(holding, len(groups) > MOST_SEARCHED)


async def failure(desk: Desk, group: str, *, trend: Trend = "hour") -> FailureInfo:
    """One group, with how many of its tasks a retry of it would run.

    Raises:
        FailureNotFound: there is none.
    """
    found = await _found(desk, FailureQuery(limit=1, group=group), trend, counted=True)
    if not found:
        raise FailureNotFound(f"No failure has the group {group!r}.")
    return found[0]


async def _found(
    desk: Desk,
    query: FailureQuery,
    trend: Trend,
    *,
    text: str | None = None,
    counted: bool = False,
) -> list[FailureInfo]:
    engine = desk.engine
    await catch_up(engine)
    grain, bars = _SPANS[trend]
    now = to_micros(engine.clock.now()) // _MICROS_PER_SECOND
    first = span_of(grain, now) - (bars - 1) * grain.seconds
    starts = [from_micros((first + n * grain.seconds) * _MICROS_PER_SECOND) for n in range(bars)]
    asked = FailureQuery(
        limit=query.limit if text is None else MOST_SEARCHED,
        group=query.group,
        func_name=query.func_name,
        since=query.since,
        grain=grain,
        spans_since=starts[0],
    )
    found = await engine.backend.failures(asked)
    groups = [one for one in found if _holds(one, text)][: query.limit]
    examples = await engine.backend.get([one.task_id for one in groups])
    records = [None if one is None else one.record for one in examples]
    return [
        _info(one, record, starts, await _to_retry(desk, one.group) if counted else None)
        for one, record in zip(groups, records, strict=True)
    ]


def _holds(one: FailureGroup, text: str | None) -> bool:
    return text is None or text.lower() in f"{one.func_name}\n{one.kind}".lower()


async def _to_retry(desk: Desk, group: str) -> Count:
    failed = frozenset({TaskStatus.FAILED})
    query = Query(statuses=failed, failure=group, retried=False)
    number = await desk.engine.backend.count(query, cap=_MOST_COUNTED + 1)
    return Count(min(number, _MOST_COUNTED), number > _MOST_COUNTED)


def _info(
    one: FailureGroup,
    record: TaskRecord | None,
    starts: list[datetime],
    to_retry: Count | None,
) -> FailureInfo:
    # The store's clock may be ahead.
    spans = {start: one.spans.get(start, 0) for start in starts}
    late = {start: number for start, number in one.spans.items() if start > starts[-1]}
    trend = tuple((spans | late).items())
    return FailureInfo(
        group=one.group,
        func_name=one.func_name,
        kind=one.kind,
        first_at=one.first_at,
        last_at=one.last_at,
        count=one.times,
        recent=sum(number for _, number in trend),
        trend=trend,
        example=record,
        to_retry=to_retry,
    )
