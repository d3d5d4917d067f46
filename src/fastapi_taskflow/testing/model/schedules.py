"""Schedules in the model: a dictionary, and changes to it one after the other."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi_taskflow.backends.base import (
    Admission,
    DueSchedules,
    ScheduleChange,
)
from fastapi_taskflow.testing.model.admission import insert
from fastapi_taskflow.testing.model.store import Model

__all__ = ["change", "due"]


def change(
    model: Model, one: ScheduleChange, limits: Mapping[str, int], key_ttl: float
) -> tuple[Admission, ...] | None:
    """Change a schedule that is still of the version that was read, and insert its tasks."""
    stored = model.schedules.get(one.name)
    if one.version != (0 if stored is None else stored.version):
        return None
    model.schedules.pop(one.name, None)
    if one.schedule is not None:
        model.schedules[one.name] = one.schedule
    return tuple(insert(model, [task], limits, key_ttl) for task in one.tasks)


def due(model: Model) -> DueSchedules:
    """All that are due; those of one instant by their names."""
    now = model.clock.now()
    dated = sorted((one.next_at, one.name) for one in model.schedules.values() if one.next_at)
    waits = [(at - now).total_seconds() for at, _ in dated if at > now]
    found = [model.schedules[name] for at, name in dated if at <= now]
    return DueSchedules(now, min(waits, default=None), found)
