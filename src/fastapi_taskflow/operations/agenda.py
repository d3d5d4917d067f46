"""``task_manager.schedules``: schedules that are made and changed while the app runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.words.schedules import ScheduleInfo

__all__ = ["Agenda"]

_PAGE = 200


class Agenda:
    """Every schedule of the store, those of the code too. Each act is audited.

    Raises:
        EngineNotRunning, StoreUnavailable: from every method.
        ScheduleNotFound: from those that take the name of one that must be there.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def create(  # noqa: PLR0913
        self,
        name: str,
        func: Callable[..., Any],
        *,
        every: float | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        misfire: str = "latest",
        overlap: str = "allow",
        paused: bool = False,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: float = 0.0,
        grace: float | None = None,
        queue: str | None = None,
        priority: int | None = None,
        actor: str = "anonymous",
    ) -> ScheduleInfo:
        """Make a schedule of a registered function; it is stored when this returns.

        Args:
            name: One that no other schedule has.
            paused: It runs from `resume` on.
            actor: For the audit.

        The others are those of ``@task_manager.schedule``.

        Raises:
            ConfigurationError: it cannot be, or the name is taken.
            TaskArgumentError: the arguments do not fit the function, or cannot be stored.
            UnknownTaskFunction: the function is not registered.
        """
        return await self._operations.create_schedule(
            name,
            func,
            args=args,
            kwargs=kwargs,
            paused=paused,
            actor=actor,
            every=every,
            cron=cron,
            timezone=timezone,
            misfire=misfire,
            overlap=overlap,
            start=start,
            end=end,
            jitter=jitter,
            grace=grace,
            queue=queue,
            priority=priority,
        )

    async def update(
        self, name: str, /, *, actor: str = "anonymous", **changes: Any
    ) -> ScheduleInfo:
        """Change what `create` takes, beside ``func`` and ``paused``; the rest stays as it is.

        A name cannot be changed: it is what is stored and shown.

        New times count from now on. ``every`` takes the place of ``cron`` and the other way
        round; ``args`` and ``kwargs`` take the place of both.

        Raises:
            ConfigurationError: it cannot be, or the schedule is declared in the code.
        """
        return await self._operations.update_schedule(name, actor=actor, **changes)

    async def delete(self, name: str, *, actor: str = "anonymous") -> None:
        """Delete a schedule; its tasks stay.

        Raises:
            ConfigurationError: it is declared in the code.
        """
        await self._operations.delete_schedule(name, actor=actor)

    async def pause(self, name: str, *, actor: str = "anonymous") -> None:
        """Run nothing more of it, on any instance and after a restart, until `resume`."""
        await self._operations.pause_schedule(name, actor=actor)

    async def resume(self, name: str, *, actor: str = "anonymous") -> None:
        """Go on with the next slot; what the pause left out is not made up for."""
        await self._operations.resume_schedule(name, actor=actor)

    async def run(self, name: str, *, actor: str = "anonymous") -> str:
        """Run it once, now, also if it is paused; the id of the task.

        Raises:
            QueueFullError: its queue is full.
        """
        return await self._operations.run_schedule(name, actor=actor)

    async def get(self, name: str) -> ScheduleInfo:
        """One schedule."""
        return await self._operations.get_schedule(name)

    async def list(self) -> list[ScheduleInfo]:
        """All schedules, by name."""
        found, cursor = await self._operations.list_schedules(limit=_PAGE)
        while cursor is not None:
            more, cursor = await self._operations.list_schedules(limit=_PAGE, cursor=cursor)
            found += more
        return found
