"""A stored schedule as the engine and people's acts use it, and the changes to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import NewTask, ScheduleChange, Schedules, StoredSchedule
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.ordering import order_key_of_stored
from fastapi_taskflow.engine.core.titles import title_of_stored
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.schedules.definition import (
    Definition,
    Errand,
    Slot,
    State,
    name_of,
)
from fastapi_taskflow.rules.schedules.timetable import Timetable
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.ids import new_id

__all__ = ["SOURCE", "Schedule", "errand_of", "new_task", "newer", "port_of"]

SOURCE = "scheduled"


class Schedule(NamedTuple):
    """One schedule, read.

    Where no key here opens what is ``stored``, it can be shown, paused and not run.
    """

    name: str
    stored: StoredSchedule
    definition: Definition
    state: State

    @classmethod
    def read(cls, stored: StoredSchedule) -> Schedule:
        """What the store has.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        name = name_of(stored.name) or ""
        return cls(name, stored, Definition.read(stored.definition), State.read(stored.state))

    @property
    def table(self) -> Timetable:
        return self.definition.table(self.name)

    def next_at(self) -> datetime | None:
        """When it is due after all that is decided."""
        if self.state.rests:
            return None
        slot = self.table.after(self.state.anchor)
        return None if slot is None else self.table.due(slot)

    def change(self, now: datetime, *tasks: NewTask, **changes: Any) -> ScheduleChange:
        """To a state, with tasks.

        Args:
            now: The store's time.
            changes: New values of the state. ``next_at`` is the next date instead of the one
                that follows from the state.
        """
        known = "next_at" in changes
        next_at = changes.pop("next_at", None)
        then = self._replace(state=self.state._replace(**changes))
        return then.put(now, next_at if known else then.next_at(), *tasks)

    def put(self, now: datetime, next_at: datetime | None, *tasks: NewTask) -> ScheduleChange:
        """Store it as it is here over the version that was read."""
        stored = self.stored._replace(
            version=newer(self.stored.version, now),
            state=self.state.text(),
            next_at=next_at,
        )
        return ScheduleChange(stored.name, self.stored.version, stored, tasks)

    def task(self, core: Core, at: datetime) -> NewTask:
        """A run; its tags say of which schedule and slot, also to the function."""
        tags = {"schedule": self.name, "slot": at.isoformat()}
        errand = self.definition.errand._replace(tags=tags)
        return new_task(core, errand, self.stored.payload)

    def run(self, core: Core, now: datetime, at: datetime, kind: str) -> ScheduleChange:
        """Beside its slots, run it once."""
        task = self.task(core, at)
        state = self.state.noting(Slot(at, kind, task.task_id))
        return self._replace(state=state).put(now, self.stored.next_at, task)


def newer(version: int, now: datetime) -> int:
    """A version that no earlier schedule of the name has had, a deleted one neither."""
    return max(version + 1, to_micros(now))


def port_of(core: Core) -> Schedules:
    """Where schedules are stored.

    Raises:
        ConfigurationError: this store keeps none.
    """
    found = core.backend.schedules
    if found is None:
        raise ConfigurationError(
            f"{core.backend.place} keeps no schedules: its backend implements no Backend.schedules."
        )
    return found


def errand_of(registered: Registered, errand: Errand) -> Errand:
    """With what the function's settings say."""
    config = registered.config
    return errand._replace(
        priority=config.priority if errand.priority is None else errand.priority,
        executor=registered.executor,
        requeue=config.requeue_on_interrupt,
    )


def new_task(core: Core, errand: Errand, payload: bytes | None) -> NewTask:
    """A task that any instance may claim."""
    registered = core.registry.by_name(errand.func_name)
    order_key = (
        errand.order_key if registered is None else order_key_of_stored(core, registered, payload)
    )
    key = errand.idempotency_key
    return NewTask(
        new_id(),
        errand.func_name,
        payload,
        errand.queue,
        core.clock.now(),
        priority=errand.priority,
        idempotency_key=key,
        fingerprint=None if key is None else codec.fingerprint(errand.func_name, payload or b""),
        requeue=errand.requeue,
        tags=errand.tags,
        source=SOURCE,
        executor=errand.executor,
        title=title_of_stored(core, errand.func_name, payload),
        # Of a task that is dropped, this is another name of the one that is not.
        alias=order_key is not None,
        order_key=order_key,
        on_conflict=errand.on_conflict if registered is None else registered.config.on_conflict,
    )
