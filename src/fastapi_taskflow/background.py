"""`ManagedBackgroundTasks`: FastAPI's `BackgroundTasks` whose tasks are managed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import BackgroundTasks
from starlette.background import BackgroundTask

from fastapi_taskflow.calls import TaskCall, bound
from fastapi_taskflow.chain import Bond, Chain
from fastapi_taskflow.engine.options import Options
from fastapi_taskflow.ids import new_id
from fastapi_taskflow.unit import Unit

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["ManagedBackgroundTasks"]

logger = logging.getLogger(__name__)


class ManagedBackgroundTasks(BackgroundTasks):
    """Background tasks with retries, durable state and a record.

    In a request FastAPI makes it. Outside of one, make it yourself and await it: that
    stores its tasks and runs them, in order.

    Args:
        task_manager: Whose tasks these are.
        background_tasks: Share this object's chain; what is added here runs in it.
    """

    # A request's stock object becomes this class by assignment of `__class__`, so there
    # must be no slots, and `bind` stands in for `__init__`.
    _manager: TaskManager
    _chain: Chain
    _unit: Unit | None

    def __init__(
        self, task_manager: TaskManager, background_tasks: BackgroundTasks | None = None
    ) -> None:
        super().__init__()
        if background_tasks is not None:
            self.tasks = background_tasks.tasks
        match background_tasks:
            case None:
                chain = Chain(Bond.CALL)
            case ManagedBackgroundTasks():
                chain = background_tasks.chain
            case _:
                chain = Chain(Bond.NONE)
        self.bind(task_manager, chain)

    def bind(self, task_manager: TaskManager, chain: Chain) -> None:
        """Make the tasks of this object managed."""
        self._manager = task_manager
        self._chain = chain
        self._find_unit()

    @property
    def chain(self) -> Chain:
        """What is stored and run together with the tasks of this object."""
        return self._chain

    @property
    def task_manager(self) -> TaskManager:
        """The manager that the tasks belong to."""
        return self._manager

    def add_task(  # type: ignore[override]  # stock returns None
        self,
        func: Callable[..., Any] | TaskCall,
        *args: Any,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        eager: bool | None = None,
        priority: int | None = None,
        queue: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Add a task to run after the response; may be called from any thread.

        A durable task (``persist=True``) is stored before the response is sent. A function
        that was not registered runs tracked, without retries. If a parameter of the
        function is named like an option here, give ``task_manager.call(func, ...)``.

        Args:
            func: The function, or a `TaskCall`.
            idempotency_key: While a task with this key is live or recently succeeded, no
                second one is made; its id is returned.
            tags: Labels, text to text.
            eager: Start now, without waiting for the response; wins over the next two.
            priority: Higher runs first. With it the task runs from its queue, beside the
                response's chain.
            queue: A configured queue; an unknown one means ``default``.

        Returns:
            The task's id, 36 characters.

        Raises:
            TaskArgumentError: arguments of a durable task cannot be stored.
            QueueFullError: the queue is full.
            IdempotencyConflict: the key is held by other work.
            EngineNotRunning: a durable task while no engine runs.
            ConfigurationError: a durable task in an object made from a request's stock
                `BackgroundTasks`, which stores nothing.
            RequestClosed: a durable task on the event loop after the request.
            StoreUnavailable: from a thread after the request, the store did not take it.
        """
        call = bound(func, args, kwargs)
        runtime = self._manager.runtime
        registered = runtime.registry.find(call.func) or runtime.registry.adopt(call.func)
        unit = self._unit
        if unit is None or unit.engine is not runtime.running_engine():
            unit = self._find_unit()
        if unit is None:
            runtime.require_engine_for(registered)
            self.tasks.append(BackgroundTask(call.func, *call.args, **call.kwargs))
            return new_id()
        config = registered.config
        eager = config.eager if eager is None else eager
        options = Options(idempotency_key, tags, priority, queue)
        if idempotency_key is not None:
            known = runtime.find_duplicate(registered, call, idempotency_key)
            if known is not None:
                return known
        task = runtime.prepare(registered, call, options)
        lane = (
            queue is None and priority is None and config.queue is None and config.priority is None
        )
        committed = self._chain.bond is not Bond.NONE
        item = unit.add(task, eager=eager, lane=lane, committed=committed)
        if item is not None:
            self.tasks.append(item)
        return task.record.task_id

    async def __call__(self) -> None:
        """Run the tasks, in order. Outside a request this stores them first.

        Raises:
            TaskflowError: outside a request, the store refused; nothing runs.
        """
        await self._chain.answer()
        try:
            await super().__call__()
        finally:
            self._chain.skip_lanes()

    def _find_unit(self) -> Unit | None:
        """The unit for the engine that runs now; without one tasks run as FastAPI's own."""
        engine = self._manager.runtime.running_engine()
        self._unit = None if engine is None else self._chain.unit(engine)
        return self._unit
