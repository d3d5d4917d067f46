"""From start to stop: an engine lives on one event loop, and is never started twice.

The next lifespan makes a new one.
"""

from __future__ import annotations

import asyncio
import logging

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import be_heard
from fastapi_taskflow.engine.core.supervisor import to_the_end
from fastapi_taskflow.engine.services import Services
from fastapi_taskflow.engine.upkeep import collector
from fastapi_taskflow.engine.upkeep.remembering import remember
from fastapi_taskflow.rules.programs import check_not_loading
from fastapi_taskflow.words.texts import escape

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

# For coroutines to end after their cancellation, then for the last writes.
_GRACE_SECONDS = 0.5
_FLUSH_SECONDS = 1.0
_STEP_SECONDS = 0.02
# For a claim that is on its way: a store that is silent must not use up the drain time.
_ANSWER_SECONDS = 3.0
# Interrupted tasks that are named.
_TOLD = 10


class Engine(Services):
    """Takes tasks in, runs them, and keeps the store true.

    It opens and closes the backend and the executors.

    Draining is what happens between the signal to stop and the end: nothing new is claimed,
    what was not started goes back to the store, what runs has ``drain_timeout`` seconds. Then
    attempts end by the drain rule, everything is flushed, and nothing waits for a thread that
    is stuck.
    """

    # When what runs is ended, and when no claim is waited for any more, by the loop's clock.
    _deadline = _answer_by = float("inf")

    async def start(self) -> None:
        """Open the store, recover what dead instances left, accept tasks.

        Raises:
            StoreUnavailable, ConfigurationError: the store cannot be used.
            Exception: as an executor's `open`.
        """
        check_not_loading()
        be_heard()
        # Not in the `try`: what was never opened here may be somebody else's to close.
        await self.backend.open(self.fleet.hint)
        collector.relax()
        try:
            grade, place = self.backend.grade, escape(self.backend.place)
            logger.info("Task store %s, durability grade %s: %s", place, grade.name, grade.value)
            await self.places.open()
            await self.feed.start()
            await self.fleet.start()
            self.mirror.start()
            self.housekeeping.start()
            await self.scheduler.start()
            await remember(self.core)
        except BaseException:
            collector.restore()
            self.fleet.abort()
            await self.feed.stop()
            await self.core.supervisor.stop()
            await self.places.close()
            await self.backend.close()
            raise

    def begin(self) -> None:
        """Start tasks, those of the store too if that is a role; idempotent."""
        # The app's own start may have set up logging, or migrated its database.
        be_heard()
        if self.core.draining or self.dispatcher.begun:
            return
        self.lateness.start()
        self.dispatcher.begin()
        if self.core.executes:
            self.claims.start()
        self.scheduler.begin()

    async def drain(self) -> None:
        """Start nothing more and end what runs, in the drain time; tasks are still accepted."""
        try:
            await self._drain()
        except asyncio.CancelledError:
            self.hurry()
            raise
        self.dispatcher.halt()

    async def stop(self) -> None:
        """Drain, say goodbye, close the store; takes at most the drain time and 2 s.

        With a store that is silent it may be 10 s, and none of them are drain time if nothing
        runs or is to be stored.

        Who is cancelled meanwhile waits for the end all the same, but the drain time is over.
        """
        await to_the_end(self._stop(), hurry=self.hurry)

    async def _stop(self) -> None:
        try:
            await self._drain()
            await self.feed.stop()
            await self.fleet.stop()
        finally:
            # First, because a loop that is torn down may cut the rest short.
            self.fleet.abort()
            collector.restore()
            await self.core.supervisor.stop()
            await self.places.close()
            await self.backend.close()
            self._drop_unaccepted()

    def begin_drain(self) -> None:
        """Start the drain; a second call makes the deadline now."""
        if self.core.draining:
            self.hurry()
            return
        self.core.draining = True
        self.places.drain()
        seconds = self.core.settings.drain_timeout
        now = self.loop.time()
        self._deadline, self._answer_by = now + seconds, now + _ANSWER_SECONDS
        logger.info("Draining: %d tasks run", len(self.attempts.running))
        self.starts.give_back()
        self.lanes.clear()
        for queue in self.core.queues:
            for task in list(queue.tasks()):
                if task.durable:
                    self.interventions.give_back(task)
        self.loop.call_later(seconds, self._overdue)

    def hurry(self) -> None:
        """The deadline is now."""
        if not self.core.draining:
            self.begin_drain()
        self._deadline = self.loop.time()
        self._overdue()

    async def _drain(self) -> None:
        """Wait for what runs, up to the deadline; then end it and write everything."""
        if not self.core.draining:
            self.begin_drain()
        while (left := self._until() - self.loop.time()) > 0:
            await self._wait(left)
        if self._still_running():
            self._interrupt()
            until = self.loop.time() + _GRACE_SECONDS
            while self._still_running() and self.loop.time() < until:
                await self._wait(until - self.loop.time())
            self._give_up()
        self._abandon_waiting()
        await self._flush()

    def _overdue(self) -> None:
        # Responses may still wait for their lanes, and the server for its responses: the
        # deadline must not depend on `run` having been called.
        self.core.progress.set()
        self._interrupt()
        self.loop.call_later(_GRACE_SECONDS, self._give_up)

    def _until(self) -> float:
        """When there is nothing more to wait for."""
        if self._busy():
            return self._deadline
        # What it takes unheard belongs to an instance that is gone: others recover it.
        return min(self._deadline, self._answer_by) if self.claims.asking else 0.0

    def _busy(self) -> bool:
        return (
            self._still_running()
            or (self.dispatcher.begun and self._may_still_start())
            or bool(self.starts.tasks)
            or self.settling.unsettled > 0
        )

    def _still_running(self) -> bool:
        return any(not attempt.abandoned for attempt in self.attempts.running)

    def _may_still_start(self) -> bool:
        # What waits in a paused queue cannot start before the deadline either.
        return any(True for queue in self.core.queues if not queue.paused for _ in queue.tasks())

    def _interrupt(self) -> None:
        """End every attempt, and say which."""
        running = [one for one in self.attempts.running if one.stop_reason is None]
        if running:
            logger.warning(
                "Drain time is over. Interrupted, or given back where they may run again: %s",
                _told([one.task for one in running]),
            )
        for attempt in running:
            attempt.stop("drain")

    def _give_up(self) -> None:
        """Settle attempts that did not react; what they return is ignored."""
        for attempt in list(self.attempts.running):
            self.attempts.give_up(attempt)

    def _abandon_waiting(self) -> None:
        """Nothing more will start here: settle all that still waits."""
        for task in self.core.store.held():
            if task.attempt is None and task.held and task not in self.starts.tasks:
                self.interventions.give_back(task)

    async def _flush(self) -> None:
        until = self.loop.time() + _FLUSH_SECONDS
        while self.settling.unsettled and self.loop.time() < until:
            await self._wait(_STEP_SECONDS)
        if self.settling.unsettled:
            logger.error(
                "%d outcomes could not be stored; recovery will take these tasks for interrupted",
                self.settling.unsettled,
            )
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self.mirror.flush()
        except Exception:  # a store that is down must not keep the process from ending
            logger.exception("The last states and log lines could not be stored")

    async def _wait(self, timeout: float) -> None:
        self.core.progress.clear()
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                await self.core.progress.wait()
        except TimeoutError:
            pass

    def _drop_unaccepted(self) -> None:
        left = [task for task in self.core.store.held() if not task.held and not task.stored]
        if left:
            logger.warning(
                "%d tasks were added and never awaited before the stop (first one: %r); they are "
                "dropped",
                len(left),
                left[0].record.func_name,
            )
            self.commits.drop(left)

    @property
    def draining(self) -> bool:
        return self.core.draining

    @property
    def instance_id(self) -> str:
        return self.core.instance_id


def _told(tasks: list[LiveTask]) -> str:
    """The first few by name."""
    names = [f"{task.registered.name} ({task.record.task_id})" for task in tasks[:_TOLD]]
    more = [f"and {len(tasks) - _TOLD} more"] if len(tasks) > _TOLD else []
    return ", ".join(names + more)
