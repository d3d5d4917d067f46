"""How ends spread over time, from the store's rollups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from fastapi_taskflow.backends.base import Grain, RollupQuery
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.metrics import Ends
from fastapi_taskflow.operations.reading import catch_up
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["MOST_BUCKETS", "FunctionEnds", "Series", "SeriesBucket", "Step", "lately", "series"]

# A month of hours, and half a day of minutes.
MOST_BUCKETS = 750

_MICROS_PER_SECOND = 1_000_000
_DAY_SECONDS = 86_400
_LATELY = timedelta(hours=1)


class Step(Enum):
    """How long a bucket is. Buckets begin at multiples of their length, in UTC.

    Attributes:
        seconds: The length.
        grain: Of the rollups that are added up.
        default: How many buckets there are if nobody asks for a time.
    """

    MINUTE = ("minute", 60, Grain.MINUTE, 60)
    FIVE_MINUTES = ("5min", 300, Grain.MINUTE, 72)
    HOUR = ("hour", 3_600, Grain.HOUR, 48)
    DAY = ("day", _DAY_SECONDS, Grain.DAY, 30)

    def __init__(self, label: str, seconds: int, grain: Grain, default: int) -> None:
        self.label = label
        self.seconds = seconds
        self.grain = grain
        self.default = default


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesBucket:
    """What ended within one step of time. Lengths are in seconds, None without any.

    Attributes:
        wait_p50: How long those that started within it had been due then, of retried ones the
            last attempt; such a percentile. They count when they have ended. Likewise the next.
        oldest_seconds: How long the first of the tasks that waited at its end had been due, now
            in the newest bucket; 0 if none did. See `_ages`. None for one function.
    """

    start: datetime
    success: int
    failed: int
    interrupted: int
    cancelled: int
    rejected: int
    avg_duration_seconds: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    wait_p50: float | None
    wait_p95: float | None
    wait_p99: float | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Buckets without gaps from ``since`` to before ``until``, the oldest first."""

    bucket: str
    since: datetime
    until: datetime
    buckets: tuple[SeriesBucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEnds:
    """What one function's tasks came to in the last hour. ``other``: neither success nor failed."""

    func_name: str
    success: int
    failed: int
    other: int
    p50: float | None
    p95: float | None
    p99: float | None


async def series(
    desk: Desk,
    step: Step,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    func_name: str | None = None,
) -> Series:
    """What ended in each bucket, at a cost that does not grow with history.

    Args:
        since: Of the first bucket; it begins there or before, but not before the time for
            which the store keeps rollups of the step's grain. None: the step's default.
        until: Of the last bucket; it ends there or later. Later than now is now.
        func_name: Of this function only.

    Raises:
        ConfigurationError: ``since`` is not before ``until``, or these are more than
            `MOST_BUCKETS`.
    """
    engine = desk.engine
    await catch_up(engine)
    now = engine.clock.now()
    begin, end = _edges(step, since, until, now)
    query = RollupQuery(
        grain=step.grain,
        since=_moment(begin),
        until=_moment(end),
        func_name=func_name,
        by_start=True,
    )
    ends = {second: Ends() for second in range(begin, end, step.seconds)}
    for rollup in await engine.backend.rollups(query):
        if rollup.start is not None:
            second = _second(rollup.start)
            ends[second - second % step.seconds].add(rollup)
    ages: dict[int, float] = {}
    if func_name is None:
        ages = _ages(ends, step.seconds, now.timestamp(), await _first_due(engine))
    return Series(
        bucket=step.label,
        since=_moment(begin),
        until=_moment(end),
        buckets=tuple(
            SeriesBucket(
                start=_moment(second),
                avg_duration_seconds=found.average,
                **found.counts(),
                **found.percentiles(),
                **found.waits(),
                oldest_seconds=ages.get(second),
            )
            for second, found in ends.items()
        ),
    )


async def _first_due(engine: Engine) -> float | None:
    """Since which second the first of all tasks waits that are to start now."""
    waiting = {
        tally.queue
        for tally in await engine.backend.tally()
        if tally.status is TaskStatus.PENDING and tally.rows > 0
    }
    found = await engine.backend.waiting_since(sorted(waiting))
    return min((since.timestamp() for since in found.values()), default=None)


def _ages(
    ends: Mapping[int, Ends], length: int, now: float, since: float | None
) -> dict[int, float]:
    """For how long the first of those that waited had been due at the end of each bucket.

    It is the longest of: the task that has waited since ``since`` and does so still, and the
    longest wait of what started in this bucket or a later one, which waited then for so much
    less. Those are taken to have started when their bucket ended: earlier buckets show less than
    it was, by one bucket's length at most. What was called off without a start shows nowhere.
    """
    ages: dict[int, float] = {}
    after = min(max(ends, default=0) + length, now)
    age = 0.0 if since is None else max(after - since, 0.0)
    for second in sorted(ends, reverse=True):
        at = min(second + length, now)
        age = max(age - (after - at), ends[second].longest_wait or 0.0, 0.0)
        ages[second], after = age, at
    return ages


def _edges(
    step: Step, since: datetime | None, until: datetime | None, now: datetime
) -> tuple[int, int]:
    """Where the first bucket begins and the last one ends, in seconds since the epoch."""
    length = step.seconds
    present = _second(now)
    present -= present % length
    end = present + length
    if until is not None:
        end = min(end, -(-to_micros(until) // (length * _MICROS_PER_SECOND)) * length)
    begin = end - step.default * length
    if since is not None:
        begin = _second(since) // length * length
        if begin >= end:
            raise ConfigurationError("since must be before until, and before now.")
    if (end - begin) // length > MOST_BUCKETS:
        raise ConfigurationError(
            f"An answer has at most {MOST_BUCKETS} buckets, and this would be "
            f"{(end - begin) // length}. Take longer buckets or a shorter time."
        )
    if step.grain.kept_days is not None:
        begin = max(begin, present - step.grain.kept_days * _DAY_SECONDS)
    return min(begin, end), end


async def lately(desk: Desk) -> tuple[FunctionEnds, ...]:
    """What ended in the last hour, by function in order of their names."""
    engine = desk.engine
    await catch_up(engine)
    since = engine.clock.now() - _LATELY
    query = RollupQuery(grain=Grain.MINUTE, since=since, by_function=True)
    found: dict[str, Ends] = {}
    for rollup in await engine.backend.rollups(query):
        found.setdefault(rollup.func_name or "", Ends()).add(rollup)
    return tuple(_function(name, found[name]) for name in sorted(found))


def _function(name: str, ends: Ends) -> FunctionEnds:
    counts = ends.counts()
    success, failed = counts.pop("success"), counts.pop("failed")
    return FunctionEnds(
        func_name=name,
        success=success,
        failed=failed,
        other=sum(counts.values()),
        **ends.percentiles(),
    )


def _second(moment: datetime) -> int:
    return to_micros(moment) // _MICROS_PER_SECOND


def _moment(second: int) -> datetime:
    return from_micros(second * _MICROS_PER_SECOND)
