"""The one place in which a live task changes its state, and whoever is to know hangs on it."""

from __future__ import annotations

from fastapi_taskflow.engine.changes.feed import Feed
from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.ends import Ends
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Changes"]


class Changes:
    """Changes states, and tells observers and the write-behind of them. On the event loop."""

    def __init__(self, feed: Feed, mirror: Mirror, ends: Ends) -> None:
        self._ends = ends
        self._feed = feed
        self._mirror = mirror

    def become(
        self,
        task: LiveTask,
        status: TaskStatus,
        elapsed: float | None = None,
        *,
        heard: bool = True,
    ) -> None:
        """Give a task its new state, the last of its record that changes.

        So other threads, which may read the record at any time, find with a state all that
        belongs to it.

        Args:
            elapsed: Seconds that the attempt took which led to it.
            heard: Observers hear of it. Not where another instance has told them.
        """
        task.record.status = status
        self.tell(task, elapsed, heard=heard)

    def tell(self, task: LiveTask, elapsed: float | None = None, *, heard: bool = True) -> None:
        """The state that a task has is new to all, as when it was accepted."""
        if heard and self._feed.active:
            self._feed.lifecycle(task, elapsed)
        if not task.durable:
            self._mirror.touch(task)
        if self._ends and task.record.status in TERMINAL:
            self._ends.tell(task.record.task_id)
