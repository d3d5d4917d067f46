"""The slots of a schedule: instants that depend on its definition alone.

An interval's are the multiples of its length since 1970, or since its start. So every instance
has the same ones, whenever it was started.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from fastapi_taskflow.rules.schedules.cron import cron_of, zone_of
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Times", "Timetable"]

# More often is a loop, not a schedule.
_SHORTEST = timedelta(milliseconds=100)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
# By how much a look back grows until it has seen enough.
_WIDER = 4
_FIRST_LOOK = timedelta(minutes=1)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Times(NamedTuple):
    """When a schedule runs, as people say it.

    Attributes:
        every: Seconds between two slots; else ``cron`` is given.
        cron: See `Cron`.
        timezone: Of a cron expression.
        start: The first slot is not before.
        end: The last slot is not after.
        jitter: Up to so many seconds after its slot a run is due, the same on every instance;
            always before the next slot.
    """

    every: float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    jitter: float = 0.0


class Timetable:
    """When one schedule runs.

    Args:
        name: The schedule's; jitter differs by it.

    Raises:
        ConfigurationError: not exactly one of ``every`` and ``cron``, or a value that cannot be.
    """

    def __init__(self, name: str, times: Times) -> None:
        every, cron, timezone, start, end, jitter = times
        if (every is None) == (cron is None):
            given = "neither" if every is None else "both"
            raise ConfigurationError(
                f"Schedule {name!r} takes one of every= (seconds) and cron=, got {given}."
            )
        self._name = name
        self._zone = timezone
        zone = zone_of(timezone)
        self._cron = None if cron is None else cron_of(cron, zone)
        self._step = None if every is None else _interval(every)
        self._start = limits.optional(limits.moment, "start", start)
        self._end = limits.optional(limits.moment, "end", end)
        self._jitter = timedelta(seconds=limits.span("jitter", jitter))
        # The last slot that was worked out, and the instant before it: it is asked for again.
        self._known: tuple[datetime, datetime | None] = (_EPOCH, None)
        if self._start is not None and self._end is not None and self._end < self._start:
            raise ConfigurationError(
                f"Schedule {name!r}: end ({quoted(end)}) is before start ({quoted(start)})."
            )

    def describe(self) -> str:
        """When it runs, in plain words."""
        if self._step is not None:
            return f"Every {_spelled(self._step)}"
        said = "" if self._cron is None else self._cron.describe()
        return said if self._zone == "UTC" else f"{said} ({self._zone})"

    def following(self, instant: datetime) -> Iterator[datetime]:
        """Its slots after an instant, in order, in UTC."""
        if self._start is not None:
            instant = max(instant, self._start - _TICK)
        before, known = self._known
        if before == instant and known is not None:
            yield known
            instant = known
        slots = self._multiples(instant) if self._cron is None else self._cron.following(instant)
        for slot in slots:
            if self._end is not None and slot > self._end:
                return
            self._known, instant = (instant, slot), slot
            yield slot

    def after(self, instant: datetime) -> datetime | None:
        """The first slot after an instant."""
        return next(self.following(instant), None)

    def next_runs(self, instant: datetime, number: int) -> list[datetime]:
        """When the slots after an instant are due."""
        return [self.due(slot) for slot in islice(self.following(instant), number)]

    def between(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The newest slots after one instant and up to another, the oldest first."""
        # Mostly one has come, and it was worked out when its date was stored.
        first = list(islice(self.following(after), 2))
        if all(slot > until for slot in first[1:]):
            return [slot for slot in first if slot <= until]
        # Of millions of slots only the newest are looked at.
        span = _FIRST_LOOK
        while True:
            begin = max(after, until - span)
            found = deque(self._until(begin, until), maxlen=most)
            if begin <= after or len(found) == most:
                return list(found)
            span *= _WIDER

    def _until(self, after: datetime, until: datetime) -> Iterator[datetime]:
        for slot in self.following(after):
            if slot > until:
                return
            yield slot

    def due(self, slot: datetime) -> datetime:
        """When a slot is to be run."""
        if not self._jitter:
            return slot
        following = self.after(slot)
        span = self._jitter if following is None else min(self._jitter, following - slot)
        text = f"{self._name}\n{slot.isoformat()}".encode()
        part = int.from_bytes(hashlib.sha256(text).digest()[:4])
        return slot + span * part // 2**32

    def _multiples(self, instant: datetime) -> Iterator[datetime]:
        step, base = self._step, self._start or _EPOCH
        if step is None:
            return
        slot = base + step * ((instant - base) // step + 1)
        while True:
            yield slot
            try:
                slot += step
            except OverflowError:  # the calendar ends
                return


def _interval(every: object) -> timedelta:
    step = timedelta(seconds=limits.span("every", every, above=True))
    if step < _SHORTEST:
        raise limits.wrong("every", f"seconds from {_SHORTEST.total_seconds():g} up", every)
    return step


def _spelled(step: timedelta) -> str:
    seconds = step.total_seconds()
    for unit, length in _UNITS:
        if seconds % length == 0:
            number = int(seconds // length)
            return unit if number == 1 else f"{number} {unit}s"
    return f"{seconds:g} seconds"
