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
from fastapi_taskflow.operations.agenda import Agenda
from fastapi_taskflow.operations.braking import Braking
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.several import Several
from fastapi_taskflow.operations.statuses import Tokens
from fastapi_taskflow.rules.calls import UNSET, Enqueued, Tags, TaskCall, said
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import ScheduledOnce, TaskRecord

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Control"]

_NEWEST = 1_000


class Control(Several, Braking):
    """Adding tasks, looking at them, acting on tasks and queues; `TaskManager` adds the rest.

    Attributes:
        runtime: The engine over the lifespans of this process.
        operations: The same acts for callers that say who acts.
        schedules: Schedules, made and changed while the app runs.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.operations = Operations(runtime)
        self.status_tokens = Tokens(self.operations)
        self.schedules = Agenda(self.operations)

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
        debounce: float | None = UNSET,
        throttle: float | None = UNSET,
        session: Any = UNSET,
        **kwargs: Any,
    ) -> Enqueued:
        """Add a task from any event loop; accepted when this returns.

        The options are those of ``add_task``; ``eager`` is none, since nothing is waited for.

        Args:
            session: A session or connection of SQLAlchemy or SQLModel on the store's own
                database: the task is stored in its transaction, and exists if that commits.

        Raises:
            TaskArgumentError, QueueFullError, IdempotencyConflict, EngineNotRunning: as
                ``add_task``.
            StoreUnavailable: the store did not take it; it was not accepted.
            ConfigurationError: the session is of another database than the tasks'.
        """
        given = said(
            idempotency_key=idempotency_key,
            tags=tags,
            priority=priority,
            queue=queue,
            delay=delay,
            run_at=run_at,
            debounce=debounce,
            throttle=throttle,
            session=session,
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
        debounce: float | None = UNSET,
        throttle: float | None = UNSET,
        session: Any = UNSET,
        **kwargs: Any,
    ) -> Enqueued:
        """As `enqueue`, for plain functions: blocks until the task is accepted.

        From any thread but that of the engine's event loop; with a ``session`` from any.

        Raises:
            TaskflowError: as `enqueue`.
            WrongThread: on the engine's event loop.
        """
        given = said(
            idempotency_key=idempotency_key,
            tags=tags,
            priority=priority,
            queue=queue,
            delay=delay,
            run_at=run_at,
            debounce=debounce,
            throttle=throttle,
            session=session,
        )
        wanted = asked(self.registry, func_or_call, args, kwargs, given)
        return adding.enqueue_sync(self.runtime, *wanted)

    async def schedule_once(  # noqa: PLR0913
        self,
        func: Callable[..., Any] | TaskCall,
        *args: Any,
        run_at: datetime,
        run_key: str | None = None,
        idempotency_key: str | None = UNSET,
        tags: Tags | None = UNSET,
        priority: int | None = UNSET,
        queue: str | None = UNSET,
        **kwargs: Any,
    ) -> ScheduledOnce:
        """Add a task of a registered function when its date comes; stored when this returns.

        One that is overdue is added at once, also after a stop.

        Args:
            run_at: When; without a zone it is in UTC.
            run_key: Replaces what was stored under it before; None: a new one.

        Raises:
            TaskArgumentError: as `enqueue`; or the function is not registered.
            EngineNotRunning, StoreUnavailable: it was not stored.
        """
        given = said(idempotency_key=idempotency_key, tags=tags, priority=priority, queue=queue)
        return await self.operations.schedule_once(
            func, args, kwargs, given, run_at=run_at, run_key=run_key
        )

    async def cancel_scheduled(self, run_key: str) -> bool:
        """Take a date back; False: there is none, or its task was added already."""
        return await self.operations.cancel_scheduled(run_key)

    async def list_scheduled(self, before: datetime | None = None) -> list[ScheduledOnce]:
        """Dates that have not come, the earliest first; those before a date."""
        return await self.operations.list_scheduled(before)

    # Looking and acting

    async def get(self, task_id: str) -> TaskRecord | None:
        """The task's record, from this process or the store; None if there is none."""
        return await self.operations.get(task_id)

    async def result(self, task_id: str, timeout: float | None = None) -> Any:
        """What a task returned, once it has ended, on whatever instance.

        A task that was retried by hand is followed to its retry.

        Args:
            timeout: Seconds to wait; None: as long as it takes.

        Raises:
            TaskFailed: it failed, with the text of its error.
            TaskCancelled: it was cancelled.
            ResultUnavailable: no such task, or its result was not stored, or is no more.
            TimeoutError: it has not ended in time; nothing changes by that.
        """
        return await self.operations.result(task_id, timeout)

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
            TaskNotFound, TaskStateError, AlreadyRetried, KeyTaken, UnknownTaskFunction: it cannot.
        """
        return await self.operations.retry(task_id)

    def queue_stats(self) -> list[dict[str, Any]]:
        """Queues with their limits and the numbers of this instance, by name.

        A queue with tasks here has ``executors`` too, by name: ``slots`` (None: any number),
        which all queues share, and how many of the queue's tasks are ``running`` there.
        Before a start: what the settings say.
        """
        return queueing.local_queues(self.runtime)

    def update_queue_config(
        self,
        name: str,
        concurrency: int | EllipsisType | None = ...,
        max_size: int | EllipsisType | None = ...,
        *,
        global_concurrency: int | EllipsisType | None = ...,
        rate_limit: str | EllipsisType | None = ...,
    ) -> dict[str, Any]:
        """Set a queue's limits, here at once and soon for every instance and restart.

        Called from any thread; gives the queue's entry in `queue_stats`.

        Args:
            concurrency: Tasks that one instance runs at a time. None: no limit. Left out: as
                it is.
            max_size: Tasks that may wait unstarted in the store; None and left out as above.
            global_concurrency: Tasks that all instances hold or run at a time; as above.
            rate_limit: Starts in all instances, such as ``"100/m"``; as above.

        Raises:
            ConfigurationError: a limit that cannot work, no such queue, or nothing to change.
        """
        given = {
            "concurrency": concurrency,
            "max_size": max_size,
            "global_concurrency": global_concurrency,
            "rate_limit": rate_limit,
        }
        changes = {limit: value for limit, value in given.items() if value is not ...}
        if not changes:
            raise ConfigurationError(
                "Nothing to change: give concurrency=, max_size= or another limit."
            )
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
