"""Tasks added outside of a request: stored and run when their object is awaited.

What goes to a queue anyway does not wait for that: it is accepted at the end of the event
loop's iteration, together with what was added meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterable
from concurrent.futures import Future

from fastapi_taskflow.app.unit import LaneItem, Unit, log_failure, needs_commit
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.loops import loop_runs_here
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.crossing import wait_in_thread
from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Unbound", "forget"]

logger = logging.getLogger(__name__)


class Unbound(Unit):
    """One manager's tasks in an object that belongs to no request."""

    __slots__ = ("_queues", "_together")

    def __init__(self, engine: Engine, *, closed: bool) -> None:
        super().__init__(engine, closed=closed)
        # There are more than the one that every manager has, or that one was given; one that
        # is only limited in size is what `max_size` makes.
        self._queues = any(
            name != DEFAULT_QUEUE or config.concurrency is not None or config.max_size is None
            for name, config in engine.settings.queues.items()
        )
        # Accepted at the end of this iteration of the loop, which touches it alone.
        self._together: list[LiveTask] = []

    def add(self, task: LiveTask, *, eager: bool, lane: bool, committed: bool) -> LaneItem | None:
        engine = self.engine
        blocks = needs_commit(task) and not engine.core.is_here()
        # Where an event loop runs, the object may be awaited.
        waits = lane and not eager and not self._queues
        if waits and not (blocks and not loop_runs_here()):
            return super().add(task, eager=eager, lane=lane, committed=committed)
        task.launch_on_commit = True
        task.context = contextvars.copy_context()
        if blocks:
            wait_in_thread(
                asyncio.run_coroutine_threadsafe(engine.commits.commit([task]), engine.loop), engine
            )
        elif engine.core.is_here():
            if not self._together:
                engine.loop.call_soon(self._accept_together)
            self._together.append(task)
        else:
            engine.core.call_soon(engine.commits.launch, task)
        return None

    def commit_now(self) -> bool:
        self._accept_together()
        return super().commit_now()

    def answer_now(self) -> bool:
        self._accept_together()
        return super().answer_now()

    def forget(self) -> None:
        """Nobody will await the object: drop what waits for that; its slots are free again."""
        staged, self._staged = self._staged, []
        if staged:
            logger.warning(
                "%d tasks were added to a ManagedBackgroundTasks that was never awaited (first "
                "one: %r); they are dropped. Use `await tasks()`, or await "
                "task_manager.enqueue(...)",
                len(staged),
                staged[0].record.func_name,
            )
            self.engine.core.call_soon(self.engine.commits.drop, staged)

    def _accept_together(self) -> None:
        if not self._together or not self.engine.core.is_here():
            return
        tasks, self._together = self._together, []
        durable = [task for task in tasks if needs_commit(task)]
        for task in tasks:
            if not needs_commit(task):
                self.engine.commits.launch(task)
        if durable:
            commit = self.engine.commits.commit(durable)
            future = asyncio.run_coroutine_threadsafe(commit, self.engine.loop)
            with self._lock:
                self._eager.append(future)
            future.add_done_callback(self._accepted)

    def _accepted(self, future: Future[None]) -> None:
        """A later await hears of a failure; if nobody awaits by now, the log does as well."""
        with self._lock:
            if future not in self._eager:
                return
            failed = future.cancelled() or future.exception() is not None
            # One tells enough: who never awaits must not collect them.
            if not failed or len(self._eager) > 1:
                self._eager.remove(future)
        log_failure(future)


def forget(units: Iterable[Unit]) -> None:
    """The object of these units is gone."""
    for unit in units:
        if isinstance(unit, Unbound):
            unit.forget()
