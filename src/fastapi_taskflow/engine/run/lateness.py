"""Whether the event loop comes in time to what is due; while it does not, nothing new starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.notices import notify

__all__ = ["Lateness"]

logger = logging.getLogger(__name__)

# A look sees what blocks the loop but for the part before the look was due. So looks are a
# quarter of the limit apart, between what costs nothing and what is soon enough to go on.
_LOOKS_PER_LIMIT = 4
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.005, 0.1
_COMPLAINT_SECONDS = 60.0


class Lateness:
    """Looks at the loop, if there is a limit to its lag; costs nothing else.

    Args:
        relieved: Called when the loop is in time again.
    """

    def __init__(self, core: Core, *, relieved: Callable[[], None]) -> None:
        self._core = core
        self._limit = core.settings.max_loop_lag
        self._relieved = relieved
        # By how much the last look was late, and when the next one is due, by the loop's clock.
        self._last = 0.0
        self._due = float("inf")
        self._complained_at = float("-inf")

    def start(self) -> None:
        """Look from now on, until the supervisor stops."""
        if self._limit is not None:
            self._core.supervisor.loop("lateness", self._look)

    @property
    def lag(self) -> float:
        """Seconds by which the loop is late, or was at the last look; 0 without a limit."""
        return max(self._last, self._core.loop.time() - self._due)

    @property
    def is_late(self) -> bool:
        """It is later than the limit."""
        return self._limit is not None and self.lag > self._limit

    async def _look(self) -> None:
        limit = self._limit or 0.0
        seconds = min(max(limit / _LOOKS_PER_LIMIT, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        loop = self._core.loop
        was_late = self._last > limit
        self._due = loop.time() + seconds
        await asyncio.sleep(seconds)
        self._last = max(0.0, loop.time() - self._due)
        if self._last > limit:
            self._complain(limit)
        elif was_late:
            self._relieved()

    def _complain(self, limit: float) -> None:
        """Say so, once a minute at most."""
        now = self._core.loop.time()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            text = "The event loop is %.3f s late, max_loop_lag is %g s: no task starts meanwhile"
            notify(logger, logging.WARNING, text, self._last, limit)
