"""Single dates: a task that is added when its date comes, and can be taken back until then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import ScheduleChange, StoredSchedule
from fastapi_taskflow.engine.accept.options import asked
from fastapi_taskflow.engine.core.ordering import order_key_for
from fastapi_taskflow.engine.core.payloads import encode
from fastapi_taskflow.engine.core.schedules import errand_of, newer, port_of
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.scheduling import send
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.schedules.definition import Errand, Once, once_key
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import PayloadUnreadable, StoreUnavailable, TaskArgumentError
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.schedules import ScheduledOnce

__all__ = ["cancel_scheduled", "list_scheduled", "schedule_once"]

_MOST_TRIES = 20
_PAGE = 500
_PREFIX = once_key("")


async def schedule_once(  # noqa: PLR0913
    desk: Desk,
    func: Callable[..., Any] | TaskCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: Mapping[str, Any],
    *,
    run_at: datetime,
    run_key: str | None,
) -> ScheduledOnce:
    """Store a date; see `Control.schedule_once`."""
    engine = desk.engine
    core, wrong = engine.core, TaskArgumentError
    registered, call, options = asked(engine.registry, func, args, kwargs, given)
    if engine.registry.by_name(registered.name) is not registered:
        raise TaskArgumentError(
            f"{quoted(call.func)} is not registered: put @task_manager.task() above it, because "
            "its date finds it by name."
        )
    fire_at = limits.moment("run_at", run_at, error=wrong)
    run_key = limits.printable("run_key", new_id() if run_key is None else run_key, error=wrong)
    queue = options.queue or registered.config.queue or DEFAULT_QUEUE
    errand = errand_of(
        registered,
        Errand(
            registered.name,
            engine.intake.known_queue(queue),
            options.priority,
            idempotency_key=options.idempotency_key,
            tags=engine.intake.labels(registered, call.args, call.kwargs, options.tags),
            order_key=order_key_for(core, registered, call.args, call.kwargs),
            on_conflict=registered.config.on_conflict,
        ),
    )
    once = Once(errand, fire_at, engine.clock.now())
    payload = encode(core, registered, call.args, call.kwargs, durable=True)
    port = port_of(core)
    for _ in range(_MOST_TRIES):
        (known,) = await port.find([once_key(run_key)])
        version = 0 if known is None else known.version
        now = (await port.due(limit=0)).now
        new = StoredSchedule(
            once_key(run_key), newer(version, now), once.text(), "", payload, fire_at
        )
        if await send(engine, ScheduleChange(new.name, version, new)) is not None:
            return _shown(engine, new, once)
    raise StoreUnavailable(f"The date {quoted(run_key)} is being changed all the time. Try again.")


async def cancel_scheduled(desk: Desk, run_key: str) -> bool:
    """Take a date back; False: there is none, or its task was added already."""
    engine = desk.engine
    key = once_key(limits.printable("run_key", run_key, error=TaskArgumentError))
    for _ in range(_MOST_TRIES):
        (known,) = await port_of(engine.core).find([key])
        if known is None:
            return False
        if await send(engine, ScheduleChange(key, known.version, None)) is not None:
            return True
    raise StoreUnavailable(f"The date {quoted(run_key)} is being changed all the time. Try again.")


async def list_scheduled(desk: Desk, before: datetime | None = None) -> list[ScheduledOnce]:
    """Dates that have not come, the earliest first."""
    engine = desk.engine
    until = limits.optional(limits.moment, "before", before, error=TaskArgumentError)
    found = []
    async for row in _rows(engine):
        with suppress(ValueError, KeyError, TypeError):  # damaged: of no concern to the others
            once = Once.read(row.definition)
            if until is None or once.fire_at < until:
                found.append(_shown(engine, row, once))
    return sorted(found, key=lambda one: (one.fire_at, one.run_key))


async def _rows(engine: Engine) -> AsyncIterator[StoredSchedule]:
    after: str | None = _PREFIX
    while after is not None:
        page = await port_of(engine.core).page(limit=_PAGE, after=after)
        for row in page:
            if not row.name.startswith(_PREFIX):
                return
            yield row
        after = page[-1].name if page else None


def _shown(engine: Engine, row: StoredSchedule, once: Once) -> ScheduledOnce:
    errand = once.errand
    args, kwargs = tuple[Any, ...](), dict[str, Any]()
    if row.payload is not None and not (row.unopened or engine.settings.sealed):
        # Of a function that is not known here, they stay what they are.
        with suppress(PayloadUnreadable):
            args, kwargs = engine.registry.decode(errand.func_name, row.payload)
    return ScheduledOnce(
        row.name[len(_PREFIX) :],
        errand.func_name,
        once.fire_at,
        args,
        kwargs,
        None,
        errand.queue,
        errand.priority,
        errand.idempotency_key,
        dict(errand.tags),
        once.created_at,
    )
