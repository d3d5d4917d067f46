"""Tells observers what happens, off the hot path.

Events wait in a bounded queue; an observer that is slow or fails loses events, which are
counted, and never touches a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.supervisor import Supervisor, Wakeup
from fastapi_taskflow.loggers.base import LifecycleEvent, LogEvent, TaskObserver
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Feed"]

logger = logging.getLogger(__name__)

# About 5 MB of events; at 10,000 events/s an observer may stall for a second.
_CAPACITY = 10_000
# More than a chain takes, so that one observer that is stuck does not end what the others
# still write: it waits a second for it once, and then three at most to close it.
_HAND_OVER_SECONDS = 2.0
_CLOSE_SECONDS = 4.0


class Feed:
    """A bounded queue in front of one observer. ``active`` is False without one."""

    def __init__(self, observer: TaskObserver | None, clock: Clock, supervisor: Supervisor) -> None:
        self._observer = observer
        self._clock = clock
        self._supervisor = supervisor
        # Appended to from any thread; a deque's ends are safe without a lock.
        self._events: deque[LogEvent | LifecycleEvent] = deque()
        self._wake = Wakeup()
        self._loop = asyncio.get_running_loop()
        self._open = False
        # The loop has been asked to wake up and has not done so: lines ask once for many.
        self._called = False
        self.active = observer is not None
        self.dropped = 0

    async def start(self) -> None:
        if self._observer is None:
            return
        try:
            await self._observer.startup()
        except Exception:  # an observer never keeps the app from starting
            logger.exception("An observer could not start")
        self._open = True
        self._supervisor.loop("observers", self._deliver)

    async def stop(self) -> None:
        """Hand over what waits, then close the observer; bounded in time."""
        if self._observer is None or not self._open:
            return
        self._open = False
        await _in_time(self._hand_over_all(), _HAND_OVER_SECONDS, "did not take what was left")
        await _in_time(self._observer.close(), _CLOSE_SECONDS, "could not be closed")

    def lifecycle(self, task: LiveTask, elapsed: float | None = None) -> None:
        """The task's state as it is now, and how long the attempt took that led to it."""
        record = task.record
        # A new attempt still has the error of the one before in its record.
        failed = record.status is not TaskStatus.RUNNING
        self._put(
            LifecycleEvent(
                task_id=record.task_id,
                func_name=record.func_name,
                status=record.status,
                timestamp=self._clock.now(),
                # Not the failures: they count the attempt that has just failed, too.
                attempt=record.retries_used,
                retries_used=record.retries_used,
                duration=record.duration if elapsed is None else elapsed,
                error=record.error if failed else None,
                stacktrace=record.stacktrace if failed else None,
                tags=dict(record.tags),
                title=record.title,
                summary=record.summary,
            )
        )
        self._wake.set()

    def line(
        self,
        task: LiveTask,
        message: str,
        level: str,
        timestamp: datetime,
        attempt: int,
        extra: dict[str, Any],
    ) -> None:
        """A line of a task's log. Called from any thread."""
        record = task.record
        self._put(
            LogEvent(
                task_id=record.task_id,
                func_name=record.func_name,
                message=message,
                level=level,
                timestamp=timestamp,
                attempt=attempt,
                tags=dict(record.tags),
                extra=extra,
                title=record.title,
            )
        )
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed; a stuck thread still talks
                self._loop.call_soon_threadsafe(self._wake.set)

    def _put(self, event: LogEvent | LifecycleEvent) -> None:
        if len(self._events) >= _CAPACITY:
            if not self.dropped:
                logger.warning("Observers are too slow: events are dropped")
            self.dropped += 1
            return
        self._events.append(event)

    async def _deliver(self) -> None:
        if not self._events:
            await self._wake.wait(60.0)
        # Before the look: a line that comes after it calls again.
        self._called = False
        await self._hand_over()

    async def _hand_over(self) -> None:
        batch: Sequence[LogEvent | LifecycleEvent]
        batch = [self._events.popleft() for _ in range(min(len(self._events), 1_000))]
        if batch and self._observer is not None:
            await self._observer.on_events(batch)

    async def _hand_over_all(self) -> None:
        while self._events:
            await self._hand_over()


async def _in_time(call: Coroutine[Any, Any, None], seconds: float, what: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await call
    except Exception:  # as in start; a stuck observer is left behind
        logger.exception("An observer %s", what)
