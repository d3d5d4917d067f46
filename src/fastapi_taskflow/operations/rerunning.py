"""Running a task that has ended again, with some of its arguments changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import StoredTask
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import adding, reading
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.originals import as_before, function_named
from fastapi_taskflow.operations.rechaining import is_step
from fastapi_taskflow.operations.retrying import accept_again, refuse
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.forms import Fault, Field, Unfit, form_of
from fastapi_taskflow.rules.redaction import MASK
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import TaskArgumentError, TaskStateError
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.retries import KeyTaken

__all__ = ["Argument", "form", "run_again"]


class Argument(NamedTuple):
    """A parameter of a task's function, and what it was given.

    ``given`` is false where it had its default. ``value`` is JSON; None where it is ``secret``, or
    has no form that would come back as it is.
    """

    field: Field
    given: bool
    value: str | None
    secret: bool


class _Call(NamedTuple):
    """A stored task with its arguments by parameter."""

    stored: StoredTask
    registered: Registered
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


async def form(desk: Desk, task_id: str) -> list[Argument]:
    """The parameters of a task's function, with the task's own arguments.

    Raises:
        TaskNotFound, UnknownTaskFunction, TaskArgumentError, PayloadUnreadable: as `run_again`.
    """
    call = await _called(desk, task_id)
    return await asyncio.to_thread(_arguments, desk.engine, call)


async def run_again(
    desk: Desk, task_id: str, typed: Mapping[str, Any], *, actor: str = ANONYMOUS
) -> str:
    """Run a task that has ended as a new one with other arguments; its id.

    Of a task that ended without success the new one is the retry, and of one that succeeded it is
    a task of its own. The retry has the idempotency key of its original, the other one none.

    Args:
        typed: Plain JSON values by parameter. One that is left out stays as it was.

    Raises:
        TaskNotFound, TaskStateError: no such task, or it has not ended, or is a chain's step.
        TaskArgumentError, PayloadUnreadable: its arguments are not stored, or cannot be
            read back.
        AlreadyRetried, KeyTaken: it was retried before; another task has its key by now.
        UnknownTaskFunction: its function is not registered in this process.
        Unfit: the arguments are not such as the function takes.
    """
    call = await _called(desk, task_id)
    await _refuse(desk.engine, call.stored)
    shape = form_of(call.registered.func)
    if MASK in json.dumps(dict(typed)):
        _refuse_masks(await asyncio.to_thread(_arguments, desk.engine, call), typed)
    args, kwargs = shape.changed(call.args, call.kwargs, typed)
    new = await _accepted(desk, call, TaskCall(call.registered.func, args, kwargs))
    detail = {"new_task_id": new, "changed": sorted(typed)}
    await desk.note("run_again", call.stored.record.task_id, actor, detail)
    return new


async def _called(desk: Desk, task_id: str) -> _Call:
    engine = desk.engine
    task_id = await whole(engine, task_id)
    await reading.catch_up(engine)
    (found,) = await engine.backend.get([task_id])
    stored = reading.existing(found, task_id)
    registered = function_named(engine, stored.record.func_name)
    return _Call(stored, registered, *reading.arguments(engine, stored))


async def _refuse(engine: Engine, stored: StoredTask) -> None:
    if stored.record.status is not TaskStatus.SUCCESS:
        refuse(stored)
    if await is_step(engine, stored):
        raise TaskStateError(
            f"Task {stored.record.task_id} is a step of a chain: the steps behind it wait for "
            "the same work. Retry it, or add the chain anew from your code."
        )


async def _accepted(desk: Desk, call: _Call, changed: TaskCall) -> str:
    record, registered = call.stored.record, call.registered
    try:
        if registered.shape is not None:
            registered.shape.check(registered.name, changed.args, changed.kwargs)
        if record.status is not TaskStatus.SUCCESS:
            options = as_before(desk.runtime, record)
            return await accept_again(desk.runtime, call.stored, registered, changed, options)
        accepted = await adding.enqueue(desk.runtime, registered, changed, _alike(record))
    except TaskArgumentError as error:
        raise Unfit([Fault((), str(error))]) from error
    if accepted.duplicate:
        # Throttled, or dropped for its key: nothing was added.
        raise KeyTaken(record.task_id, accepted.task_id, key="key")
    return accepted.task_id


def _alike(record: TaskRecord) -> Options:
    return Options(None, record.tags, record.priority, record.queue, source=record.source)


def _arguments(engine: Engine, call: _Call) -> list[Argument]:
    func, settings = call.registered.func, engine.settings
    redactor = settings.redactor
    given = form_of(func).given(call.args, call.kwargs)
    mask = redactor.mask_of(func, call.args, call.kwargs)
    secret = dict(zip(given, redactor.secret_ones(func, (), given), strict=True))

    def same(one: Any, other: Any) -> bool:
        first, second = (
            engine.registry.encode(
                call.registered, (value,), {}, max_bytes=settings.max_payload_bytes, sealed=True
            )
            for value in (one, other)
        )
        return first == second

    found = []
    for field in form_of(func).fields.values():
        name = field.name
        hides = redactor.hides(func, name) or secret.get(name, False)
        text = field.written(given[name], same) if name in given and not hides else None
        hides = hides or (text is not None and mask(text) != text)
        found.append(Argument(field, name in given, None if hides else text, hides))
    return found


def _refuse_masks(arguments: list[Argument], typed: Mapping[str, Any]) -> None:
    """What stands in the place of a secret is not that secret."""
    faults = [
        Fault((one.field.name,), f"{MASK!r} hides a secret. Leave it out to keep it.")
        for one in arguments
        if one.secret and MASK in json.dumps(typed.get(one.field.name))
    ]
    if faults:
        raise Unfit(faults)
