"""`ManagedBackgroundTasks`: FastAPI's `BackgroundTasks` whose tasks are managed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import BackgroundTasks

from fastapi_taskflow.app.strays import stray
from fastapi_taskflow.app.unit import Unit
from fastapi_taskflow.app.units import Bond, Units
from fastapi_taskflow.engine.accept.options import Options, asked
from fastapi_taskflow.operations.adding import find_duplicate
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.rules.calls import UNSET, Tags, TaskCall, said
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words import limits

__all__ = ["ManagedBackgroundTasks"]

logger = logging.getLogger(__name__)


class ManagedBackgroundTasks(BackgroundTasks):
    """Background tasks with retries, durable state and a record.

    In a request FastAPI makes it. Outside of one, make it yourself and await it: that
    stores its tasks and runs them, in order.

    Args:
        task_manager: Whose tasks these are.
        background_tasks: Share this object's background; what is added here runs in it.
    """

    # A request's stock object becomes this class by assignment of `__class__`, so there
    # must be no slots, and `bind` stands in for `__init__`.
    _manager: Control
    _units: Units
    _unit: Unit | None

    def __init__(
        self, task_manager: Control, background_tasks: BackgroundTasks | None = None
    ) -> None:
        if not isinstance(task_manager, Control):
            raise limits.wrong("ManagedBackgroundTasks", "a TaskManager", task_manager)
        super().__init__()
        if background_tasks is not None:
            self.tasks = background_tasks.tasks
        match background_tasks:
            case None:
                units = Units(Bond.CALL)
            case ManagedBackgroundTasks():
                units = background_tasks.units
            case _:
                units = Units(Bond.NONE)
        self.bind(task_manager, units)

    def bind(self, task_manager: Control, units: Units) -> None:
        """Make the tasks of this object managed."""
        self._manager = task_manager
        self._units = units
        # Found with the first task: many requests add none.
        self._unit = None

    @property
    def units(self) -> Units:
        """What is stored and run together with the tasks of this object."""
        return self._units

    @property
    def task_manager(self) -> Control:
        """The manager that the tasks belong to."""
        return self._manager

    def add_task(  # type: ignore[override]  # noqa: PLR0913  # stock returns None
        self,
        func: Callable[..., Any] | TaskCall,
        *args: Any,
        idempotency_key: str | None = UNSET,
        tags: Tags | None = UNSET,
        eager: bool | None = UNSET,
        priority: int | None = UNSET,
        queue: str | None = UNSET,
        delay: float | None = UNSET,
        run_at: datetime | None = UNSET,
        debounce: float | None = UNSET,
        throttle: float | None = UNSET,
        **kwargs: Any,
    ) -> str:
        """Add a task to run after the response; may be called from any thread.

        A durable task (``persist=True``) is stored before the response is sent. A function
        that was not registered runs tracked, without retries.

        Args:
            func: The function, or a `TaskCall`. A keyword that is a parameter of the function
                is the function's, also if it has the name of an option; beside a
                `TaskCall` all are options.
            idempotency_key: While a task with this key is live or recently succeeded, no
                second one is made; its id is returned.
            tags: Labels: names to text, numbers, dates and the like, which become text.
            eager: Start now, without waiting for the response; wins over the next two.
            priority: Higher runs first. With it the task runs from its queue, beside the
                response's background.
            queue: A configured queue; an unknown one means ``default``.
            delay: Seconds before it may start, at most ten years. It waits beside the
                response's background; an eager one is accepted at once and waits as well.
            run_at: When it may start, of the years 1970 to 9998 (a naive one is in UTC); not
                together with ``delay``.
            debounce: Seconds after which it starts unless an equal call comes, which takes its
                place and begins to wait anew; at the latest ten times that after the first
                call. Calls are equal if they are of one function and ``key``, or without a key
                if their arguments are equal. The one that was replaced is CANCELLED.
            throttle: Seconds within which an equal call adds nothing, from the start of this
                task, and before that; the answer is the id of the task that is there.

        Returns:
            The task's id, 36 characters.

        Raises:
            TaskArgumentError: an option that cannot be, arguments that do not fit a
                registered function, or those of a durable task that cannot be stored.
            QueueFullError: the queue is full.
            IdempotencyConflict: the key is held by other work.
            EngineNotRunning: a durable task while no engine runs.
            ConfigurationError: a durable task in an object made from a request's stock
                `BackgroundTasks`, which stores nothing.
            RequestClosed: a durable task on the event loop after the request.
            StoreUnavailable: from a thread after the request, the store did not take it.
        """
        given = None
        # Nearly always nothing is.
        plain = idempotency_key is tags is eager is priority is queue is delay is UNSET  # type: ignore[comparison-overlap]
        if not (plain and run_at is UNSET and debounce is throttle is UNSET):
            given = said(
                idempotency_key=idempotency_key,
                tags=tags,
                eager=eager,
                priority=priority,
                queue=queue,
                delay=delay,
                run_at=run_at,
                debounce=debounce,
                throttle=throttle,
            )
        return self._add(*asked(self._manager.registry, func, args, kwargs, given))

    def _add(self, registered: Registered, call: TaskCall, options: Options) -> str:
        runtime = self._manager.runtime
        unit, engine = self._unit, runtime.running_engine()
        if unit is None or unit.engine is not engine:
            # For the engine that runs now; without one tasks run as FastAPI's own.
            unit = self._unit = None if engine is None else self._units.unit(engine)
        if unit is None:
            runtime.require_engine_for(registered, options)
        if options.idempotency_key is not None:
            known = find_duplicate(runtime, registered, call, options.idempotency_key)
            if known is not None:
                return known
        config = registered.config
        in_queue = (
            (config.queue if options.queue is None else options.queue) is not None
            or (config.priority if options.priority is None else options.priority) is not None
            or options.is_later
        )
        if unit is None:
            waits = in_queue and self._units.bond is Bond.CALL
            own = stray(runtime, registered, call, options, waits=waits)
            if waits:
                self._units.beside.append(own)
            else:
                self.tasks.append(own)
            return own.task_id
        durable = runtime.durability.of(registered)
        task = unit.engine.intake.prepare(
            registered, call.args, call.kwargs, options, durable=durable
        )
        item = unit.add(
            task,
            eager=config.eager if options.eager is None else options.eager,
            lane=not in_queue,
            committed=self._units.bond is not Bond.NONE,
        )
        if item is not None:
            self.tasks.append(item)
        return task.record.task_id

    async def __call__(self) -> None:
        """Run the tasks, in order. Outside a request this stores them first.

        Raises:
            TaskflowError: outside a request, the store refused; nothing runs.
        """
        await self._units.answer()
        try:
            for own in self._units.beside:
                await own()
            await super().__call__()
        finally:
            self._units.skip_lanes()
