"""Holds every asyncio task of the engine: none is started bare, none dies unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

__all__ = ["Supervisor", "Wakeup"]

logger = logging.getLogger(__name__)

# After a loop's step failed: long enough not to flood the log, short enough to recover
# within a second.
_PAUSE_SECONDS = 0.5


class Supervisor:
    """Starts tasks, keeps references to them, and logs what they should not have raised."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine; an exception that leaves it is logged."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"taskflow {name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def loop(self, name: str, step: Callable[[], Awaitable[None]]) -> asyncio.Task[Any]:
        """Call ``step`` for ever; of a run of failures the first one is logged."""
        return self.spawn(self._forever(name, step), name)

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await step()
                if failures:
                    logger.info("%s works again after %d failures", name, failures)
                failures = 0
            except Exception as exc:  # a service must outlive any failure of one round
                failures += 1
                if failures == 1:
                    logger.warning("%s failed, trying again: %s", name, exc, exc_info=exc)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            logger.error("%s ended with an error", task.get_name(), exc_info=exc)


class Wakeup:
    """A flag that one loop waits for, with a deadline. Cheap to set again and again."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiter now, or at its next wait."""
        self._event.set()

    async def wait(self, timeout: float) -> None:
        """Return when set, or after ``timeout`` seconds; clears the flag."""
        timer = asyncio.get_running_loop().call_later(max(0.0, timeout), self._event.set)
        try:
            await self._event.wait()
        finally:
            timer.cancel()
            self._event.clear()
