"""The one way to ask the time.

Stored instants are microseconds since the epoch in UTC; public ones are aware
``datetime``. Code that needs the time takes a `Clock`, so that tests can turn it.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SteadyClock", "SystemClock", "from_micros", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A day inside the calendar's ends, so that both can be written in any time zone.
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for spans."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""

    def micros(self) -> int:
        """The current instant in microseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; its zero means nothing."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def micros(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()


class SteadyClock:
    """A store's clock: another clock that never runs backwards; for any thread.

    Set forward, it goes forward: a machine that slept is right to. Set back, it goes on from
    where it was as monotonic time does, until the other one has come by. So nothing that
    waits for a time waits longer because somebody set the clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Protects all below.
        self._lock = threading.Lock()
        # What it showed last, and what monotonic time was then.
        self._at = 0
        self._since = 0.0
        self._lead = 0

    @property
    def lead(self) -> timedelta:
        """By how much it was ahead of the other clock when it was last asked."""
        return timedelta(microseconds=self._lead)

    def now(self) -> datetime:
        return from_micros(self.micros())

    def micros(self) -> int:
        # In this order, or what passes between the two would be counted twice.
        wall, monotonic = self._clock.micros(), self._clock.monotonic()
        with self._lock:
            now = wall
            if wall < self._at:
                now = self._at + max(0, round((monotonic - self._since) * 1_000_000))
            self._at, self._since = now, max(self._since, monotonic)
            self._lead = now - wall
            return now

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def reach(self, micros: int) -> None:
        """Show no earlier time than this, which the store knows of, from now on."""
        monotonic = self._clock.monotonic()
        with self._lock:
            if micros > self._at:
                self._at, self._since = micros, monotonic


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware ``datetime``, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC ``datetime`` of microseconds since the epoch, exact.

    Outside the calendar it is the calendar's first or last day: what is stored can be shown.
    """
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return _LAST if micros > 0 else _FIRST
