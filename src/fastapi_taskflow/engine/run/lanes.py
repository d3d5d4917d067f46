"""The request lane: a response's background waiting for its tasks, one after another.

Attempts belong to the engine; the background only waits. It waits for attempts, never for due
times, and never long for a slot, so no connection hangs. A task that leaves the lane runs
from its queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.run.dispatcher import Dispatcher
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Lanes"]


class _Wait:
    __slots__ = ("future", "timer")

    def __init__(self) -> None:
        # Made when there is something to wait for.
        self.future: asyncio.Future[None] | None = None
        # Runs while the task has no slot.
        self.timer: asyncio.TimerHandle | None = None

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Lanes:
    """Which response's background waits for which task.

    Args:
        give_back: Gives a held task that has not started back to the store.
    """

    def __init__(
        self, core: Core, dispatcher: Dispatcher, *, give_back: Callable[[LiveTask], None]
    ) -> None:
        self._core = core
        self._dispatcher = dispatcher
        self._give_back = give_back
        # By task id: after a retry the task may be another object here.
        self._waits: dict[str, _Wait] = {}

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._waits

    async def run(self, task: LiveTask) -> None:
        """Run an accepted task and wait for its attempts.

        Cancelling the wait cancels nothing.
        """
        if task.launch_on_commit or not task.held:
            return
        task.launch_on_commit = True
        core = self._core
        paused = core.queues.get(task.record.queue).paused
        if paused or core.draining or not core.executes:
            self.pass_on(task)
            return
        task_id = task.record.task_id
        task.lane = True
        wait = self._waits[task_id] = _Wait()
        self._dispatcher.submit(task, at_once=True)
        if task_id not in self._waits:
            return  # it has run
        if task.attempt is None:
            self.parked(task_id)
        wait.future = core.loop.create_future()
        try:
            await wait.future
        finally:
            self.leave(task_id)

    def skip(self, task: LiveTask) -> None:
        """No background will run this accepted task: its queue does."""
        waits = task.record.status is TaskStatus.PENDING and not task.launch_on_commit
        task.launch_on_commit = True
        if waits and task.held:
            self.pass_on(task)

    def pass_on(self, task: LiveTask) -> None:
        """Run a held task from its queue; a durable one that had to wait goes to the store."""
        if not task.durable or (not self._core.draining and self._core.queues.may_run(task)):
            self._dispatcher.run_when_due(task)
        else:
            self._give_back(task)

    def parked(self, task_id: str) -> None:
        """The task waits for a slot: the background gives up after a while."""
        wait = self._waits.get(task_id)
        if wait is not None and wait.timer is None:
            patience = self._core.settings.lane_patience
            wait.timer = self._core.loop.call_later(patience, self.give_up, task_id)

    def started(self, task_id: str) -> None:
        """The task has a slot: the background waits for its attempt, however long."""
        wait = self._waits.get(task_id)
        if wait is not None:
            wait.disarm()

    def leave(self, task_id: str) -> None:
        """The background goes on to its next task."""
        wait = self._waits.pop(task_id, None)
        if wait is not None:
            wait.disarm()
            if wait.future is not None and not wait.future.done():
                wait.future.set_result(None)

    def clear(self) -> None:
        """Let every background go on whose task has not started."""
        for task_id, wait in list(self._waits.items()):
            if wait.timer is not None:
                self.leave(task_id)

    def give_up(self, task_id: str) -> None:
        """The task takes too long for a connection to wait: its background goes on without it."""
        self.leave(task_id)
        task = self._core.store.find(task_id)
        if task is None:
            return
        task.lane = False
        if task.durable and task.held and self._core.queues.stands_in_line(task):
            self._give_back(task)
