"""The instants of a cron expression in a time zone.

cronsim reads the fields and knows days; steps between them are taken here, because a schedule
is asked for its next instant each time that it runs. Where a day's clock is set:

* A local time that does not exist becomes the first instant after the gap; one that comes twice
  is its first.
* An expression whose hours are all of them goes by elapsed time instead: nothing that is skipped
  is made up for, and the hour that comes twice has its instants twice. So ``* * * * *`` is every
  minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Cron", "cron_of", "zone_of"]

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FORM = (
    "five fields (minute hour day month weekday), six that begin with seconds, or "
    f"{', '.join(_ALIASES)}"
)
_MOST_CHARACTERS = 200
_ALL_HOURS = 24
# A leap day on a given weekday comes within 40 years.
_FARTHEST_YEARS = 50
# cronsim writes "22th".
_ORDINAL = re.compile(r"\b([2-5][123])th\b")
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def zone_of(name: object) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        ConfigurationError: there is none of this name.
    """
    text = limits.printable("timezone", name)
    try:
        return _zone(text)
    # A name that is a path, or one of a directory, raises what it likes.
    except Exception as exc:
        known = limits.near(text, available_timezones())
        raise ConfigurationError(
            f"timezone takes a name such as 'Europe/Berlin', got {quoted(text)}.{known}"
        ) from exc


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def cron_of(text: object, zone: ZoneInfo) -> Cron:
    """The instants of an expression, which many schedules may share; raises as `Cron` does."""
    return _cron(limits.printable("cron", text, most=_MOST_CHARACTERS), zone)


@lru_cache(maxsize=1024)
def _cron(text: str, zone: ZoneInfo) -> Cron:
    return Cron(text, zone)


class Cron:
    """An expression that was understood.

    Args:
        text: Five fields, six that begin with seconds, or an alias such as ``@daily``.
        zone: Whose local time the fields are.

    Raises:
        ConfigurationError: it is no expression, or has no date within 50 years.
    """

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        self._zone = zone
        # Any date: the fields do not depend on it.
        self._parsed = _parsed(text)
        self._hours = sorted(self._parsed.hours)
        self._minutes = sorted(self._parsed.minutes)
        self._seconds = sorted(self._parsed.seconds)
        if next(self.following(datetime(2000, 1, 1, tzinfo=UTC)), None) is None:
            raise ConfigurationError(f"cron: {quoted(text)} is a date that never comes.")

    def describe(self) -> str:
        """What it says, in plain words."""
        return _ORDINAL.sub(lambda found: found[1] + _ENDINGS[found[1][-1]], self._parsed.explain())

    def following(self, instant: datetime) -> Iterator[datetime]:
        """Its instants after one, in order, in UTC."""
        elapsed = len(self._hours) == _ALL_HOURS
        last = instant
        try:
            for found in self._elapsed(instant) if elapsed else self._local(instant):
                if found > last:
                    last = found
                    yield found
        except OverflowError:  # the calendar ends
            return

    # Local time

    def _local(self, instant: datetime) -> Iterator[datetime]:
        for wall in self._walls(instant.astimezone(self._zone).replace(tzinfo=None)):
            found = wall.replace(tzinfo=self._zone).astimezone(UTC)
            if found.astimezone(self._zone).replace(tzinfo=None) != wall:
                before = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
                found = self._change(before, found) or found
            yield found

    # Elapsed time

    def _elapsed(self, instant: datetime) -> Iterator[datetime]:
        """By one offset from UTC after the other."""
        begin, first = instant, False
        while True:
            offset = self._offset(begin)
            wall = (begin + offset).replace(tzinfo=None)
            change = None
            for found in self._walls(wall - _SECOND if first else wall):
                at = (found - offset).replace(tzinfo=UTC)
                change = self._change(begin, at)
                if change is not None:
                    break
                yield at
                begin = at
            if change is None:
                return
            begin, first = change, True

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self._zone).utcoffset() or timedelta()

    def _change(self, begin: datetime, end: datetime) -> datetime | None:
        """The first instant after ``begin``, up to ``end``, that has another offset."""
        offset, low = self._offset(begin), begin
        while low < end:
            high = min(low + _DAY, end)
            if self._offset(high) != offset:
                while high - low > _SECOND:
                    middle = low + (high - low) // 2
                    if self._offset(middle) == offset:
                        low = middle
                    else:
                        high = middle
                return high.replace(microsecond=0)
            low = high
        return None

    # Fields

    def _walls(self, after: datetime) -> Iterator[datetime]:
        """Dates and times after one that have the right fields, whatever a zone's clock shows."""
        floor = after.hour, after.minute, after.second
        for day in self._days(after.date()):
            if day > after.date():
                floor = -1, -1, -1
            for hour in self._hours:
                if hour < floor[0]:
                    continue
                for minute in self._minutes:
                    if (hour, minute) < floor[:2]:
                        continue
                    for second in self._seconds:
                        if (hour, minute, second) > floor:
                            yield datetime.combine(day, time(hour, minute, second))

    def _days(self, first: date) -> Iterator[date]:
        """Days from one on; it ends where for many years there was none."""
        parsed, day, last = self._parsed, first, first.year
        while day.year <= last + _FARTHEST_YEARS:
            if day.month not in parsed.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if parsed.match_day(day):
                last = day.year
                yield day
            day += _DAY


def _parsed(text: str) -> CronSim:
    expression = _ALIASES.get(text.strip().lower(), text)
    try:
        return CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001  (fields have no zone)
    # It takes apart what it is given, and trusts it in places.
    except (CronSimError, ValueError, AssertionError) as exc:
        raise ConfigurationError(
            f"cron takes {_FORM}, got {quoted(text)}: {str(exc) or 'not understood'}."
        ) from exc
