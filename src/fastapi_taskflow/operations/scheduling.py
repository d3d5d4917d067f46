"""Schedules: making them while the app runs, changing them, pausing them, running them now.

Each change is made from what was read, and made anew if somebody else was quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Admission, QueueIsFull, ScheduleChange, StoredSchedule
from fastapi_taskflow.engine.core.payloads import encode
from fastapi_taskflow.engine.core.schedules import Schedule, errand_of, newer, port_of
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.declaring import checked_call, defined, schedule_name
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.originals import function_named
from fastapi_taskflow.operations.schedules import existing, get_schedule
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.rules.schedules.definition import CODE, STORED, State, key_of
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import (
    ConfigurationError,
    QueueFullError,
    ScheduleNotFound,
    SealUnopened,
    StoreUnavailable,
    UnknownTaskFunction,
)
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.schedules import ScheduleInfo

__all__ = [
    "create_schedule",
    "delete_schedule",
    "pause_schedule",
    "resume_schedule",
    "run_schedule",
    "send",
    "update_schedule",
]

_MOST_TRIES = 20
_DEFAULTS: Mapping[str, Any] = {
    "every": None,
    "cron": None,
    "timezone": "UTC",
    "start": None,
    "end": None,
    "jitter": 0.0,
    "misfire": "latest",
    "grace": None,
    "overlap": "allow",
    "queue": None,
    "priority": None,
}


async def create_schedule(  # noqa: PLR0913
    desk: Desk,
    name: str,
    func: Callable[..., Any],
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    paused: bool = False,
    actor: str = ANONYMOUS,
    **given: Any,
) -> ScheduleInfo:
    """Store a schedule of a registered function; see `Schedules.create`."""
    engine = desk.engine
    name = schedule_name(name)
    registered = engine.registry.find(func)
    if registered is None:
        raise UnknownTaskFunction(
            f"{quoted(func)} is not registered: put @task_manager.task() above it, because a "
            "stored schedule finds its function by name."
        )
    _refuse_unknown(given)
    definition = defined(name, registered, {**_DEFAULTS, **given})
    definition = definition._replace(errand=errand_of(registered, definition.errand))
    _check_queue(engine, definition.errand.queue)
    payload = _payload(engine, registered, args, {} if kwargs is None else kwargs)
    now = (await port_of(engine.core).due(limit=0)).now
    state = State(STORED, now, limits.switch("paused", paused))
    new = StoredSchedule(
        key_of(name), newer(0, now), definition.text(), state.text(), payload, None
    )
    new = new._replace(next_at=Schedule(name, new, definition, state).next_at())
    if await send(engine, ScheduleChange(new.name, 0, new)) is None:
        there = (
            "is declared in the code" if name in engine.registry.schedules else "is there already"
        )
        raise ConfigurationError(
            f"A schedule named {quoted(name)} {there}: take another name, or change that one."
        )
    await desk.note("create_schedule", name, actor, {"func_name": registered.name, **given})
    return await get_schedule(desk, name)


async def update_schedule(
    desk: Desk, name: str, /, *, actor: str = ANONYMOUS, **changes: Any
) -> ScheduleInfo:
    """Change parts of a schedule that was made at run time; see `Schedules.update`."""
    engine = desk.engine
    said = dict(changes)
    call = {part: changes.pop(part) for part in ("args", "kwargs") if part in changes}
    _refuse_unknown(changes)

    def step(one: Schedule, now: datetime) -> ScheduleChange:
        _refuse_code(one)
        errand, times, policy = one.definition
        registered = function_named(engine, errand.func_name)
        known = {**times._asdict(), **policy._asdict()}
        known |= {"queue": errand.queue, "priority": errand.priority}
        given = dict(changes)
        if (given.get("every") is None) != (given.get("cron") is None):
            # One of them takes the other's place.
            known |= {"every": None, "cron": None}
        definition = defined(one.name, registered, {**known, **given})
        definition = definition._replace(errand=errand_of(registered, definition.errand))
        _check_queue(engine, definition.errand.queue)
        stored, state = one.stored, one.state
        if call:
            args, kwargs = call.get("args", ()), call.get("kwargs", {})
            stored = stored._replace(payload=_payload(engine, registered, args, kwargs))
        if definition.times != times:
            state = state._replace(anchor=max(state.anchor, now))
        stored = stored._replace(definition=definition.text())
        then = Schedule(one.name, stored, definition, state)
        return then.put(now, then.next_at())

    await _alter(desk, name, step)
    await desk.note("update_schedule", name, actor, _plain(said))
    return await get_schedule(desk, name)


async def delete_schedule(desk: Desk, name: str, *, actor: str = ANONYMOUS) -> None:
    """Delete a schedule; one of the code only once it is retired. Its tasks stay."""
    engine = desk.engine
    port = port_of(engine.core)
    for _ in range(_MOST_TRIES):
        (row,) = await port.find([key_of(schedule_name(name))])
        if row is None:
            raise ScheduleNotFound(f"No schedule is named {quoted(name)}.")
        try:
            known: Schedule | None = Schedule.read(row)
        except (ValueError, KeyError, TypeError):
            known = None
        if known is not None and not known.state.retired:
            _refuse_code(known)
        if await send(engine, ScheduleChange(row.name, row.version, None)) is not None:
            await desk.note("delete_schedule", name, actor, {})
            return
    raise _overtaken(name)


async def pause_schedule(desk: Desk, name: str, *, actor: str = ANONYMOUS) -> None:
    """Run nothing more of a schedule until it is resumed, on any instance and after a restart."""

    def step(one: Schedule, now: datetime) -> ScheduleChange | None:
        return None if one.state.paused else one.change(now, paused=True)

    await _alter(desk, name, step)
    await desk.note("pause_schedule", name, actor, {})


async def resume_schedule(desk: Desk, name: str, *, actor: str = ANONYMOUS) -> None:
    """Let a paused schedule go on with its next slot; what the pause left out stays so."""

    def step(one: Schedule, now: datetime) -> ScheduleChange | None:
        if not one.state.paused:
            return None
        return one.change(now, paused=False, anchor=max(one.state.anchor, now))

    await _alter(desk, name, step)
    await desk.note("resume_schedule", name, actor, {})


async def run_schedule(desk: Desk, name: str, *, actor: str = ANONYMOUS) -> str:
    """Run a schedule once, now, beside its slots and whatever it is waiting for; the task's id.

    Raises:
        ScheduleNotFound: there is none.
        QueueFullError: its queue is full.
        SealUnopened: its arguments are encrypted, and no key here opens them.
    """
    engine = desk.engine

    def step(one: Schedule, now: datetime) -> ScheduleChange:
        if one.stored.unopened:
            raise SealUnopened(f"No key here opens the arguments of schedule {quoted(name)}.")
        return one.run(engine.core, now, now, "manual")

    change, answer = await _alter(desk, name, step)
    (task,) = change.tasks
    (admission,) = answer
    if isinstance(admission, QueueIsFull):
        raise QueueFullError(admission.queue, admission.max_size, task_id=admission.task_id)
    engine.hints.hint(task.queue)
    await desk.note("run_schedule", name, actor, {"task_id": task.task_id})
    return task.task_id


async def _alter(
    desk: Desk, name: str, step: Callable[[Schedule, datetime], ScheduleChange | None]
) -> tuple[ScheduleChange, tuple[Admission, ...]]:
    """Change a schedule as it is when nobody else does."""
    engine = desk.engine
    for _ in range(_MOST_TRIES):
        known = await existing(engine, name)
        now = (await port_of(engine.core).due(limit=0)).now
        change = step(known, now)
        if change is None:
            return ScheduleChange(known.stored.name, known.stored.version, known.stored), ()
        answer = await send(engine, change)
        if answer is not None:
            return change, answer
    raise _overtaken(name)


async def send(engine: Engine, change: ScheduleChange) -> tuple[Admission, ...] | None:
    """One change; None: somebody else was quicker."""
    sizes, key_ttl = engine.queues.limits(), engine.settings.idempotency_ttl
    (answer,) = await port_of(engine.core).change([change], sizes, key_ttl=key_ttl)
    engine.scheduler.wake()
    return answer


def _overtaken(name: str) -> StoreUnavailable:
    return StoreUnavailable(f"Schedule {quoted(name)} is being changed all the time. Try again.")


def _refuse_code(one: Schedule) -> None:
    if one.state.origin == CODE:
        raise ConfigurationError(
            f"Schedule {one.name!r} is declared in the code: change it there, or pause it."
        )


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in _DEFAULTS:
            raise ConfigurationError(
                f"A schedule has no {name!r}.{near(name, _DEFAULTS)} It has: "
                f"{', '.join(_DEFAULTS)}, args, kwargs."
            )


def _check_queue(engine: Engine, queue: str) -> None:
    if queue not in engine.queues:
        names = sorted(engine.queues.names())
        raise ConfigurationError(
            f"No queue is named {quoted(queue)}.{near(queue, names)} Queues: {', '.join(names)}"
        )


def _payload(
    engine: Engine, registered: Registered, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bytes | None:
    call = checked_call(registered, args, kwargs)
    return encode(engine.core, registered, call.args, call.kwargs, durable=True)


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    """For the audit, without arguments, which may be secret."""
    shown = {name: value for name, value in changes.items() if name not in ("args", "kwargs")}
    return shown | dict.fromkeys(changes.keys() - shown.keys(), "changed")
