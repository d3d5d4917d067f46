"""What a `TaskManager` offers without a web framework: adding, looking, acting, its life."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.engine.accept.options import asked
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.operations import adding, queueing
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.calls import UNSET, Enqueued, Tags, TaskCall, said
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import TaskRecord

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Control"]

_NEWEST = 1_000


class Control:
    """Adding tasks, looking at them, acting on tasks and queues; `TaskManager` adds the rest.

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

    @property
    def fernet(self) -> MultiFernet | None:
        """Encrypts and decrypts with the keys of ``encrypt_args_key``; None without one."""
        keyring = self.runtime.keyring
        return None if keyring is None else keyring.fernet

    # Adding

    async def enqueue(  # noqa: PLR0913
        self,
        func_or_call: Callable[..., Any] | TaskCall,
        *args: Any,
        idempotency_key: str | None = UNSET,
        tags: Tags | None = UNSET,
        priority: int | None = UNSET,
        queue: str | None = UNSET,
        delay: float | None = UNSET,
        run_at: datetime | None = UNSET,
        **kwargs: Any,
    ) -> Enqueued:
        """Add a task from any event loop; accepted when this returns.

        The options are those of ``add_task``; ``eager`` is none, since nothing is waited for.

        Raises:
            TaskArgumentError, QueueFullError, IdempotencyConflict, EngineNotRunning: as
                ``add_task``.
            StoreUnavailable: the store did not take it; it was not accepted.
        """
        given = said(
            idempotency_key=idempotency_key,
            tags=tags,
            priority=priority,
            queue=queue,
            delay=delay,
            run_at=run_at,
        )
        wanted = asked(self.registry, func_or_call, args, kwargs, given)
        return await adding.enqueue(self.runtime, *wanted)

    def enqueue_sync(  # noqa: PLR0913
        self,
        func_or_call: Callable[..., Any] | TaskCall,
        *args: Any,
        idempotency_key: str | None = UNSET,
        tags: Tags | None = UNSET,
        priority: int | None = UNSET,
        queue: str | None = UNSET,
        delay: float | None = UNSET,
        run_at: datetime | None = UNSET,
        **kwargs: Any,
    ) -> Enqueued:
        """As `enqueue`, for plain functions: blocks until the task is accepted.

        From any thread but that of the engine's event loop.

        Raises:
            TaskArgumentError, QueueFullError, IdempotencyConflict, EngineNotRunning,
                StoreUnavailable: as `enqueue`.
            WrongThread: on the engine's event loop.
        """
        given = said(
            idempotency_key=idempotency_key,
            tags=tags,
            priority=priority,
            queue=queue,
            delay=delay,
            run_at=run_at,
        )
        wanted = asked(self.registry, func_or_call, args, kwargs, given)
        return adding.enqueue_sync(self.runtime, *wanted)

    # Looking and acting

    async def get(self, task_id: str) -> TaskRecord | None:
        """The task's record, from this process or the store; None if there is none."""
        return await self.operations.get(task_id)

    async def merged_list(self) -> list[TaskRecord]:
        """The newest 1,000 tasks of all instances; what is live here over what is stored.

        Stored ones are without arguments, logs and stack trace: `get` has them. Without an
        engine: what `store` holds.
        """
        if self.runtime.running_engine() is None:
            return self.store.list()
        records, _ = await self.operations.search(Query(), limit=_NEWEST)
        return records

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

    def queue_stats(self) -> list[dict[str, Any]]:
        """Queues with their limits and the numbers of this instance, by name.

        Before a start: what the settings say.
        """
        return queueing.local_queues(self.runtime)

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
        queueing.update_queue_soon(self.operations, name, changes)
        return next(stats for stats in self.queue_stats() if stats["name"] == name)

    # Life

    async def startup(self) -> None:
        """Start the engine on this event loop; a second call only counts."""
        await self.runtime.startup()
        self.runtime.begin()

    async def shutdown(self) -> None:
        """Drain and stop the engine; idempotent."""
        await self.runtime.shutdown()

    async def __aenter__(self) -> Self:
        await self.startup()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.shutdown()
