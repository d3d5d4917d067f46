"""Holds every asyncio task of the engine: none is started bare, none dies unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.rules.tracebacks import error_text

__all__ = ["Failing", "Supervisor", "Wakeup", "is_cancelled", "to_the_end"]

logger = logging.getLogger(__name__)

# After a loop's step failed: long enough not to flood the log, short enough to recover
# within a second.
_PAUSE_SECONDS = 0.5
_AGAIN_SECONDS = 2.0


class Failing(NamedTuple):
    """A service whose last ``times`` rounds failed, the last one for this ``reason``."""

    times: int
    reason: str


class Supervisor:
    """Starts tasks, keeps references to them, and logs what they should not have raised."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._torn_down = self._stopped = False
        # Loops whose last step failed, by name.
        self.failing: dict[str, Failing] = {}

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine; an exception that leaves it is logged."""
        task = asyncio.get_running_loop().create_task(coroutine, name=f"taskflow {name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def loop(self, name: str, step: Callable[[], Awaitable[None]]) -> asyncio.Task[Any]:
        """Call ``step`` for ever; of a run of failures the first one is logged."""
        return self.spawn(self._forever(name, step), name)

    def after(self, seconds: float, callback: Callable[..., None], *args: Any) -> None:
        """Call something later, unless all is stopped by then."""
        asyncio.get_running_loop().call_later(seconds, self._call, callback, *args)

    def is_torn_down(self) -> bool:
        """Somebody has cancelled all tasks of the event loop: it ends without a stop."""
        return self._torn_down or any(task.cancelling() for task in self._tasks)

    async def stop(self) -> None:
        """Cancel what still runs and wait for it, and for what is spawned meanwhile."""
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            # Again for who has lost it, as code that is not ours may; long enough to tidy up.
            await asyncio.wait(tasks, timeout=_AGAIN_SECONDS)
        self._stopped = True

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        if not self._stopped:
            callback(*args)

    async def _forever(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        # A step may have lost that it was cancelled, in code that is not ours.
        while not is_cancelled():
            try:
                await step()
                if name in self.failing:
                    times, _ = self.failing.pop(name)
                    notify(logger, logging.INFO, "%s works again after %d failures", name, times)
            # A service must outlive any failure of one round.
            except (Exception, asyncio.CancelledError) as exc:
                if isinstance(exc, asyncio.CancelledError) and is_cancelled():
                    self._torn_down = True
                    raise
                times = self.failing[name].times + 1 if name in self.failing else 1
                self.failing[name] = Failing(times, error_text(exc))
                if times == 1:
                    text = "%s failed, trying again: %s"
                    notify(
                        logger, logging.WARNING, text, name, self.failing[name].reason, error=exc
                    )
                await asyncio.sleep(_PAUSE_SECONDS)
        self._torn_down = True

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            notify(logger, logging.ERROR, "%s ended with an error", task.get_name(), error=exc)


def is_cancelled() -> bool:
    """This task itself is; else somebody else's cancellation came up in what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def to_the_end(stop: Coroutine[Any, Any, None], *, hurry: Callable[[], None]) -> None:
    """Stop in a task of its own, so that half a stop is never left behind.

    Args:
        hurry: Called when whoever waits is cancelled, which it is once all has ended.
    """
    stopping = asyncio.get_running_loop().create_task(stop, name="taskflow stop")
    cancelled: asyncio.CancelledError | None = None
    while not stopping.done():
        try:
            await asyncio.wait((stopping,))
        except asyncio.CancelledError as exc:
            # Cancel scopes cancel again and again.
            if cancelled is None:
                hurry()
            cancelled = exc
    if cancelled is not None:
        raise cancelled
    stopping.result()


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
