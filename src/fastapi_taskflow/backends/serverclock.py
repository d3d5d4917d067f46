"""The store's clock: the database server's, as far as this process has learned it."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi_taskflow.backends.base import Finding, Level
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, Clock, SteadyClock, from_micros

__all__ = ["StoreClock", "agreement"]

_MICROS_PER_SECOND = 1_000_000
# How long what was learned is relied upon. A machine's clocks part by a millisecond in that.
_TRUSTED_SECONDS = 10.0
_PARTING = 1e-4
# Nearer than this nobody asks again at once, nor more often than so many times.
_NEAR_SECONDS, _MOST_TRIES = 0.01, 3
# Then somebody set a clock, or it runs free.
_FAR_SECONDS = 5.0


class StoreClock:
    """A server's clock between two looks at it; it never runs backwards.

    To ask the server in each transaction would cost a round trip. What it said, and the
    monotonic time since, are off by half of one at most: of the shortest, not of one for which
    this process had to wait.

    Args:
        clock: To go by instead of a server's, for tests.
    """

    def __init__(self, clock: Clock | None) -> None:
        self._own = clock or SYSTEM_CLOCK
        self._server = _Learned(self._own)
        self._steady = SteadyClock(self._server)
        self._asks = clock is None
        # Of one look at it.
        self._tries = 0

    @property
    def is_stale(self) -> bool:
        """The server has to be asked (again)."""
        if not self._asks:
            return False
        near = self._server.doubt <= _NEAR_SECONDS * _MICROS_PER_SECOND
        return self._is_old or (not near and self._tries < _MOST_TRIES)

    @property
    def _is_old(self) -> bool:
        age = self._server.age
        return age is None or age > _TRUSTED_SECONDS

    def learn(self, micros: int, *, took: float) -> None:
        """What the server answered just now to a question that took so many seconds."""
        self._tries = 1 if self._is_old else self._tries + 1
        self._server.learn(micros, round(took * _MICROS_PER_SECOND))

    def now(self) -> datetime:
        """The store's time."""
        return from_micros(self._steady.micros())

    def micros(self) -> int:
        """The store's time in microseconds since the epoch."""
        return self._steady.micros()

    def monotonic(self) -> float:
        """Seconds, for spans."""
        return self._own.monotonic()

    def lead(self, now: datetime) -> timedelta:
        """By how much the store, at that time by its own clock, is ahead of this machine's."""
        return now - self._own.now()

    def reach(self, micros: int) -> None:
        """Show no earlier time than this, which the store knows of, from now on."""
        self._steady.reach(micros)


class _Learned:
    """A clock that goes by another until it learns better."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The least and the most that it can be, and what monotonic time was then.
        self._known: tuple[int, int, float] | None = None

    @property
    def age(self) -> float | None:
        return None if self._known is None else self._clock.monotonic() - self._known[2]

    @property
    def doubt(self) -> int:
        """What is between the least and the most, in microseconds."""
        return 0 if self._known is None else self._known[1] - self._known[0]

    def learn(self, micros: int, took: int) -> None:
        """It showed so many when it was asked, at most ``took`` microseconds ago."""
        since, least, most = self._clock.monotonic(), micros, micros + took
        if self._known is not None:
            passed = (since - self._known[2]) * _MICROS_PER_SECOND
            low = max(least, self._known[0] + round(passed * (1 - _PARTING)))
            high = min(most, self._known[1] + round(passed * (1 + _PARTING)))
            # Else somebody set it.
            if low <= high:
                least, most = low, high
        self._known = least, most, since

    def now(self) -> datetime:
        return from_micros(self.micros())

    def micros(self) -> int:
        if self._known is None:
            return self._clock.micros()
        least, most, since = self._known
        return (least + most) // 2 + round((self._clock.monotonic() - since) * _MICROS_PER_SECOND)

    def monotonic(self) -> float:
        return self._clock.monotonic()


def agreement(server: int, before: int, after: int) -> Finding:
    """What to say of a server's clock, which was asked between two instants of this machine's.

    All are microseconds since the epoch.
    """
    ahead = (server - min(max(server, before), after)) / _MICROS_PER_SECOND
    if abs(ahead) < _FAR_SECONDS:
        return Finding("clock", Level.OK, "the server's and this machine's agree")
    where = "ahead of" if ahead > 0 else "behind"
    detail = f"the server's is {abs(ahead):.0f} s {where} this machine's"
    return Finding("clock", Level.WARNING, detail, "Synchronize both, by NTP say.")
