"""The one way to ask the time.

Stored instants are microseconds since the epoch in UTC; public ones are aware
``datetime``. Code that needs the time takes a `Clock`, so that tests can turn it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "from_micros", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware ``datetime``, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC ``datetime`` of microseconds since the epoch, exact."""
    return _EPOCH + timedelta(microseconds=micros)
