"""The queue between the work and one observer.

Offering events never waits and never raises. A pump hands them over in order, and ends
when nothing is left, so a feed needs no start and survives a change of event loops.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from fastapi_taskflow.loggers.base import TaskEvent, TaskObserver
from fastapi_taskflow.loggers.bounds import bounded, is_being_cancelled

__all__ = ["Feed"]

_log = logging.getLogger(__name__)

# An observer of which every second batch fails must not fill the log with tracebacks.
_MOST_TOLD = 3
_TOLD_WITHIN_SECONDS = 60.0


class Feed:
    """A bounded queue of events in front of one observer.

    All methods are called on one event loop.

    Args:
        observer: Who gets the events.
        capacity: Events that may wait; what comes beyond is dropped and counted.
        batch_size: At most so many events are handed over at once.
    """

    # 10,000 events of a few hundred bytes: some megabytes per observer at worst. 500 at
    # once make the cost of a thread hop per event small.
    def __init__(
        self, observer: TaskObserver, *, capacity: int = 10_000, batch_size: int = 500
    ) -> None:
        self.observer = observer
        self.failures = 0
        self.dropped = 0
        self._name = type(observer).__name__
        self._capacity = capacity
        self._batch_size = batch_size
        self._waiting: deque[TaskEvent] = deque()
        # Invariant: while events wait, a pump runs (or its loop is gone).
        self._pump: asyncio.Task[None] | None = None
        # True from a failure until the next batch that passes: logged once, then counted.
        self._failing = False
        self._told: deque[float] = deque(maxlen=_MOST_TOLD)
        self._dropping = False

    @property
    def idle(self) -> bool:
        """True while nothing waits or is being handed over."""
        return self._pump is None or self._pump.done()

    def offer(self, events: Iterable[TaskEvent]) -> None:
        """Queue events in order; what does not fit is dropped, counted, and logged once."""
        for event in events:
            if len(self._waiting) >= self._capacity:
                self._drop()
            else:
                self._waiting.append(event)
        if self._waiting and self.idle:
            self._pump = asyncio.get_running_loop().create_task(
                self._run(), name=f"feed {self._name}"
            )

    async def settle(self, timeout: float) -> bool:
        """Wait until all that was offered has been handed over, at most ``timeout`` seconds.

        False: the observer is still busy.
        """
        if self._pump is None or self._pump.done():
            return True
        await asyncio.wait([self._pump], timeout=timeout)
        return self._pump.done()

    async def close(self, timeout: float) -> None:
        """Hand over what waits, for at most ``timeout`` seconds, then close the observer.

        The observer's own `close` gets as long again. Never raises.
        """
        if not await self.settle(timeout) and self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump], timeout=timeout)
            self.dropped += len(self._waiting)
            self._waiting.clear()
        # Closing is the last thing an observer can spoil.
        self._note_failure("could not close", await bounded(self.observer.close(), timeout))
        if self.failures or self.dropped:
            _log.warning(
                "Observer %s: %d failures, %d events dropped in this run.",
                self._name,
                self.failures,
                self.dropped,
            )

    async def startup(self, timeout: float) -> None:
        """Start the observer; a failure is logged and counted, never raised."""
        self.failures = self.dropped = 0
        self._failing = self._dropping = False
        self._told.clear()
        # An observer that cannot start must not keep tasks from running.
        self._note_failure("could not start", await bounded(self.observer.startup(), timeout))

    async def _run(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), self._batch_size)
            batch = [self._waiting.popleft() for _ in range(size)]
            try:
                await self.observer.on_events(batch)
            except asyncio.CancelledError as exc:
                if is_being_cancelled():
                    self.dropped += len(batch)
                    raise
                # Nobody cancelled this: it came out of the observer, as any other failure.
                self._note_failure("failed", exc)
            # A failing observer loses its own events only, and is not to end the process.
            except (Exception, SystemExit, KeyboardInterrupt) as exc:
                self._note_failure("failed", exc)
            else:
                self._failing = False
        self._dropping = False

    def _note_failure(self, what: str, error: BaseException | None) -> None:
        if error is None:
            return
        self.failures += 1
        if not self._failing and self._may_tell():
            text = "Observer %s %s; further failures are counted."
            _log.error(text, self._name, what, exc_info=error)
        self._failing = True

    def _may_tell(self) -> bool:
        now = asyncio.get_running_loop().time()
        if len(self._told) == _MOST_TOLD and now - self._told[0] < _TOLD_WITHIN_SECONDS:
            return False
        self._told.append(now)
        return True

    def _drop(self) -> None:
        self.dropped += 1
        if not self._dropping:
            self._dropping = True
            _log.warning(
                "Observer %s is too slow: %d events wait; more are dropped and counted.",
                self._name,
                len(self._waiting),
            )
