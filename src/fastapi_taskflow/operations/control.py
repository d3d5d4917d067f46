"""What a `TaskManager` offers to those who look at tasks and act on them."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["Control"]


class Control:
    """Looking at tasks, acting on tasks and queues; `TaskManager` adds the rest.

    Attributes:
        runtime: The engine over the lifespans of this process.
        operations: The same acts for callers that say who acts.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.operations = Operations(runtime)

    @property
    def registry(self) -> TaskRegistry:
        """Registered functions and their settings."""
        return self.runtime.registry

    @property
    def store(self) -> TaskStore:
        """The tasks that this process knows of right now."""
        return self.runtime.store

    async def get(self, task_id: str) -> TaskRecord | None:
        """The task's record, from this process or the store; None if there is none."""
        return await self.operations.get(task_id)

    async def cancel(self, task_id: str) -> TaskRecord:
        """Cancel a task, or ask its instance to; gives the record as it is now.

        Raises:
            TaskNotFound: no such task.
            TaskStateError: it has ended already.
        """
        return (await self.operations.cancel(task_id)).record

    async def retry(self, task_id: str) -> str:
        """Run a task that ended without success once more, as a new task; its id.

        Raises:
            TaskNotFound, TaskStateError, AlreadyRetried, UnknownTaskFunction: it cannot be.
        """
        return await self.operations.retry(task_id)

    async def pause(self, queue: str) -> None:
        """Start nothing more of this queue, on any instance, until `resume`."""
        await self.operations.pause(queue)

    async def resume(self, queue: str) -> None:
        """Let a paused queue go on."""
        await self.operations.resume(queue)

    def update_queue_config(
        self,
        name: str,
        concurrency: int | EllipsisType | None = ...,
        max_size: int | EllipsisType | None = ...,
    ) -> dict[str, Any]:
        """Set a queue's limits, here at once and soon for every instance and restart.

        Called from any thread; gives the queue's entry in `queue_stats`.

        Args:
            concurrency: Tasks that one instance runs at a time. None: no limit. Left out: as
                it is.
            max_size: Tasks that may wait unstarted in the store; None and left out as above.

        Raises:
            ConfigurationError: a limit that cannot work, no such queue, or nothing to change.
        """
        given = {"concurrency": concurrency, "max_size": max_size}
        changes = {limit: value for limit, value in given.items() if value is not ...}
        if not changes:
            raise ConfigurationError("Nothing to change: give concurrency=, max_size= or both.")
        self.operations.update_queue_soon(name, changes)
        return next(stats for stats in self.queue_stats() if stats["name"] == name)

    def queue_stats(self) -> list[dict[str, Any]]:
        """Queues with their limits and the numbers of this instance, by name.

        Before a start: what the settings say.
        """
        return self.operations.local_queues()

    async def merged_list(self) -> list[TaskRecord]:
        """The newest 1,000 tasks of all instances; what is live here over what is stored.

        Stored ones are without arguments, logs and stack trace: `get` has them. Without an
        engine: what `store` holds.
        """
        if self.runtime.running_engine() is None:
            return self.store.list()
        return await self.operations.newest()
