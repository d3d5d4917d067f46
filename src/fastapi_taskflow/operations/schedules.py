"""Looking at schedules: when they run, and what became of their last slots."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from fastapi_taskflow.backends.base import StoredSchedule
from fastapi_taskflow.engine.core.schedules import Schedule, port_of
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.declaring import schedule_name
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.rules.schedules.definition import key_of, name_of
from fastapi_taskflow.words.errors import ConfigurationError, ScheduleNotFound
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.schedules import ScheduleInfo, SlotInfo

__all__ = ["existing", "get_schedule", "list_schedules"]

_NEXT_RUNS = 10
# Tasks that are read at a time for their states: they come whole.
_TASKS_AT_ONCE = 50


async def list_schedules(
    desk: Desk, *, limit: int, cursor: str | None = None
) -> tuple[list[ScheduleInfo], str | None]:
    """Schedules by name, and the cursor of the next page (None: no more)."""
    engine = desk.engine
    port = port_of(engine.core)
    page = await port.page(limit=limit + 1, after=key_of(cursor or ""))
    rows = [row for row in page if name_of(row.name) is not None]
    found = await _shown(engine, rows[:limit])
    return found, rows[limit - 1].name[2:] if len(rows) > limit else None


async def get_schedule(desk: Desk, name: str) -> ScheduleInfo:
    """One schedule.

    Raises:
        ScheduleNotFound: there is none.
    """
    engine = desk.engine
    row = (await existing(engine, name)).stored
    return (await _shown(engine, [row]))[0]


async def _shown(engine: Engine, rows: Sequence[StoredSchedule]) -> list[ScheduleInfo]:
    read = []
    for row in rows:
        try:
            read.append(Schedule.read(row))
        except (ValueError, KeyError, TypeError):
            # Damaged: of no concern to the others. The scheduler says so.
            continue
    now = (await port_of(engine.core).due(limit=0)).now
    ids = [slot.task_id for one in read for slot in one.state.slots if slot.task_id is not None]
    states: dict[str, str] = {}
    for begin in range(0, len(ids), _TASKS_AT_ONCE):
        for task in await engine.backend.get(ids[begin : begin + _TASKS_AT_ONCE]):
            if task is not None:
                dropped = task.record.duplicate_of is not None
                states[task.record.task_id] = "dropped" if dropped else task.record.status.value
    found = []
    for one in read:
        found.append(_info(one, now, states))
        await asyncio.sleep(0)
    return found


def _info(one: Schedule, now: datetime, states: Mapping[str, str]) -> ScheduleInfo:
    errand, times, policy = one.definition
    state, begin = one.state, max(now, one.state.anchor)
    return ScheduleInfo(
        name=one.name,
        func_name=errand.func_name,
        **times._asdict(),
        **policy._asdict(),
        description=one.table.describe(),
        queue=errand.queue,
        priority=errand.priority,
        origin=state.origin,
        paused=state.paused,
        retired=state.retired,
        next_runs=() if state.rests else tuple(one.table.next_runs(begin, _NEXT_RUNS)),
        last_slots=tuple(
            SlotInfo(at=at, kind=kind, task_id=task, status=states.get(task or ""))
            for at, kind, task in reversed(state.slots)
        ),
    )


async def existing(engine: Engine, name: str) -> Schedule:
    """A schedule that must be there.

    Raises:
        ScheduleNotFound: it is not.
    """
    try:
        key = key_of(schedule_name(name))
    except ConfigurationError as exc:
        raise ScheduleNotFound(f"No schedule has such a name: {exc}") from exc
    (row,) = await port_of(engine.core).find([key])
    if row is None:
        raise ScheduleNotFound(f"No schedule is named {quoted(name)}.")
    try:
        return Schedule.read(row)
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            f"Schedule {quoted(name)} is damaged in the store, or of a newer release. Delete it."
        ) from exc
