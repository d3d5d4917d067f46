"""What a `TaskManager` offers for several calls at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Callback
from fastapi_taskflow.operations import batching, many
from fastapi_taskflow.operations.batchbook import BatchBook
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.calls import UNSET, Enqueued, Tags, TaskCall, said
from fastapi_taskflow.words.batches import Batch

__all__ = ["Several"]

Call = Callable[..., Any] | TaskCall


class Several:
    """Adding many tasks, as one."""

    runtime: Runtime
    operations: Operations

    @property
    def batches(self) -> BatchBook:
        """Batches and chains: how far they are, cancelled and retried as a whole."""
        return BatchBook(self.operations)

    async def enqueue_many(  # noqa: PLR0913
        self,
        calls: Iterable[Call],
        *,
        spread: float = 0.0,
        tags: Tags | None = UNSET,
        priority: int | None = UNSET,
        queue: str | None = UNSET,
        delay: float | None = UNSET,
        run_at: datetime | None = UNSET,
        session: Any = UNSET,
    ) -> list[Enqueued]:
        """Add tasks from any event loop, all or none of them; accepted when this returns.

        Args:
            calls: Made by ``task_manager.call(func, ...)``, or functions alone; at most 10,000.
            spread: Seconds over which their starts are spread evenly, from the ``delay`` or
                ``run_at`` on; 0: all at once.
            session: As of `enqueue`: all are there if its transaction commits.

        The options hold for each task and are those of `enqueue`; there is no idempotency key,
        which is one task's.

        Returns:
            In the order of the calls.

        Raises:
            TaskArgumentError, QueueFullError, EngineNotRunning, StoreUnavailable: as `enqueue`;
                then none was added.
        """
        given = said(
            tags=tags, priority=priority, queue=queue, delay=delay, run_at=run_at, session=session
        )
        return await many.enqueue_many(self.runtime, calls, spread, given)

    async def batch(
        self,
        calls: Iterable[Call],
        *,
        on_success: Call | None = None,
        on_failure: Call | None = None,
        on_done: Call | None = None,
        tags: Tags | None = None,
        session: Any = None,
    ) -> Batch:
        """Add tasks that are one piece of work, all or none of them, from any event loop.

        They and the callbacks are stored in one transaction, and durable whatever their
        functions' settings say (without a backend: for as long as the process lives). Each
        callback is a task that is added once, in the transaction that ends the task which decides
        it; ``get_task_context().batch_id`` tells it which batch.

        Args:
            calls: Of registered functions, made by ``task_manager.call(func, ...)``, or functions
                alone; at most 10,000. With none the batch is done at once.
            on_success: Called when all have succeeded.
            on_failure: Called at the first that ends otherwise.
            on_done: Called when all have ended.
            tags: Of the batch, its tasks and its callbacks.
            session: As of `enqueue`: all of it is there if its transaction commits.

        Raises:
            TaskArgumentError, QueueFullError, EngineNotRunning, StoreUnavailable: as `enqueue`;
                then nothing was added.
        """
        callbacks = {
            Callback.SUCCESS: on_success,
            Callback.FAILURE: on_failure,
            Callback.DONE: on_done,
        }
        return await batching.add(self.runtime, calls, callbacks, tags, session=session)

    async def chain(self, *calls: Call, tags: Tags | None = None, session: Any = None) -> Batch:
        """Add tasks that run one after the other, each given the result of the one before.

        The result is its next free positional parameter, if it has one. A step that does not
        succeed cancels those behind it. Stored, and durable, as `batch`.

        Args:
            calls: As of `batch`; 1 to 1,000.
            tags: Of the batch and its tasks.
            session: As of `batch`.

        Raises:
            TaskArgumentError, QueueFullError, EngineNotRunning, StoreUnavailable: as `enqueue`;
                then nothing was added.
        """
        return await batching.add(self.runtime, calls, {}, tags, chain=True, session=session)
