"""`ManagedBackgroundTasks`: FastAPI's `BackgroundTasks` whose tasks are managed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import BackgroundTasks
from starlette.background import BackgroundTask

from fastapi_taskflow.calls import TaskCall, bound
from fastapi_taskflow.engine.intake import Options
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
    # must be no slots, and `_bind` stands in for `__init__`.
    _manager: TaskManager
    _unit: Unit | None

    def __init__(
        self, task_manager: TaskManager, background_tasks: BackgroundTasks | None = None
    ) -> None:
        super().__init__()
        if background_tasks is not None:
            self.tasks = background_tasks.tasks
        self.bind(task_manager)

    def bind(self, task_manager: TaskManager) -> Unit | None:
        """Make the tasks of this object managed; gives its unit of work.

        None while no engine runs: then tasks run as FastAPI would run them.
        """
        self._manager = task_manager
        engine = task_manager.runtime.running_engine()
        self._unit = None if engine is None else Unit(engine)
        return self._unit

    @property
    def unit(self) -> Unit | None:
        """The unit of work; None while no engine runs."""
        return self._unit

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
        """
        call = bound(func, args, kwargs)
        runtime = self._manager.runtime
        registered = runtime.registry.find(call.func) or runtime.registry.adopt(call.func)
        unit = self._unit
        if unit is None or unit.engine is not runtime.running_engine():
            unit = self.bind(self._manager)
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
        item = unit.add(task, eager=eager, lane=lane)
        if item is not None:
            self.tasks.append(item)
        return task.record.task_id

    async def __call__(self) -> None:
        """Run the tasks, in order. Outside a request this stores them first.

        Raises:
            TaskflowError: outside a request, the store refused; nothing runs.
        """
        if self._unit is not None:
            await self._unit.answer()
            if self._manager.runtime.settings.detached_lane:
                self._unit.skip_lane()
        await super().__call__()
