"""A clock that stands still until a test turns it."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["ManualClock"]

_START = datetime(2026, 1, 1, tzinfo=UTC)
_MICROS_PER_SECOND = 1_000_000


class ManualClock:
    """A `Clock` that a test advances; wall time and monotonic time move together.

    May be read from any thread while one thread advances it.

    >>> clock = ManualClock()
    >>> clock.advance(1.5)
    >>> clock.monotonic()
    1.5

    Args:
        start: The first instant, aware.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._start = self._micros = to_micros(start)
        self._set_by = 0

    def now(self) -> datetime:
        return from_micros(self.micros())

    def micros(self) -> int:
        return self._micros + self._set_by

    def monotonic(self) -> float:
        return (self._micros - self._start) / _MICROS_PER_SECOND

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``, to the microsecond.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"A clock is advanced by 0 s or more, got {seconds!r}.")
        self._micros += round(seconds * _MICROS_PER_SECOND)

    def set_by(self, seconds: float) -> None:
        """Set the wall clock forward, or back if negative; monotonic time does not notice."""
        self._set_by += round(seconds * _MICROS_PER_SECOND)
