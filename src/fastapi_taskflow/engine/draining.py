"""Draining: what happens between the signal to stop and the end of the process.

Nothing new is claimed, what was not started goes back to the store, what runs has
`drain_timeout` seconds. Then attempts end by the drain rule, everything is flushed, and
nothing waits for a thread that is stuck.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Shutdown", "to_the_end"]

logger = logging.getLogger(__name__)

# For coroutines to end after their cancellation, then for the last writes.
_GRACE_SECONDS = 0.5
_FLUSH_SECONDS = 1.0
_STEP_SECONDS = 0.02


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


class Shutdown:
    """The drain of one engine; its clock starts with `begin`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._progress = asyncio.Event()
        self._deadline = float("inf")
        self._loop = asyncio.get_running_loop()
        engine.flow.on_progress = self._progress.set

    def begin(self) -> None:
        """Start the drain; a second call makes the deadline now."""
        if self._engine.draining:
            self.hurry()
            return
        self._engine.draining = True
        seconds = self._engine.settings.drain_timeout
        self._deadline = self._loop.time() + seconds
        logger.info("Draining: %d tasks run", len(self._engine.attempts.running))
        self._engine.interventions.begin_drain()
        self._loop.call_later(seconds, self._overdue)

    def hurry(self) -> None:
        """The deadline is now."""
        if not self._engine.draining:
            self.begin()
        self._deadline = self._loop.time()
        self._overdue()

    async def run(self) -> None:
        """Wait for what runs, up to the deadline; then end it and write everything."""
        if not self._engine.draining:
            self.begin()
        while self._busy() and self._loop.time() < self._deadline:
            await self._wait(self._deadline - self._loop.time())
        if self._running():
            await self._interrupt()
        self._engine.interventions.abandon_waiting()
        await self._flush()

    def _overdue(self) -> None:
        # Responses may still wait for their lanes, and the server for its responses: the
        # deadline must not depend on `run` having been called.
        self._progress.set()
        self._engine.interventions.interrupt()
        self._loop.call_later(_GRACE_SECONDS, self._engine.interventions.give_up)

    def _busy(self) -> bool:
        engine = self._engine
        return (
            self._running()
            or (engine.dispatcher.begun and self._may_still_start())
            or bool(engine.dispatcher.starting)
            or engine.dispatcher.asking
            or engine.settling.unsettled > 0
        )

    def _running(self) -> bool:
        return any(not attempt.abandoned for attempt in self._engine.attempts.running)

    def _may_still_start(self) -> bool:
        # What waits in a paused queue cannot start before the deadline either.
        queues = self._engine.queues
        return any(True for queue in queues if not queue.paused for _ in queue.tasks())

    async def _interrupt(self) -> None:
        engine = self._engine
        engine.interventions.interrupt()
        until = self._loop.time() + _GRACE_SECONDS
        while self._running() and self._loop.time() < until:
            await self._wait(until - self._loop.time())
        engine.interventions.give_up()

    async def _flush(self) -> None:
        engine = self._engine
        until = self._loop.time() + _FLUSH_SECONDS
        while engine.settling.unsettled and self._loop.time() < until:
            await self._wait(_STEP_SECONDS)
        if engine.settling.unsettled:
            logger.error(
                "%d outcomes could not be stored; recovery will take these tasks for interrupted",
                engine.settling.unsettled,
            )
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await engine.mirror.flush()
        except Exception:  # a store that is down must not keep the process from ending
            logger.exception("The last states and log lines could not be stored")

    async def _wait(self, timeout: float) -> None:
        self._progress.clear()
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                await self._progress.wait()
        except TimeoutError:
            pass
