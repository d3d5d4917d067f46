"""How one task reaches the engine outside of a request, and which task has its key already."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import suppress

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.crossing import hand_over, wait_in_thread
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import joining
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.calls import Enqueued, TaskCall
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import IdempotencyConflict, WrongThread

__all__ = [
    "answer",
    "enqueue",
    "enqueue_sync",
    "find_duplicate",
    "fingerprint",
    "needs_store",
    "prepare_alone",
]


async def enqueue(
    runtime: Runtime, registered: Registered, call: TaskCall, options: Options
) -> Enqueued:
    """Accept a task on any event loop."""
    if options.session is not None:
        return await joining.enqueue(runtime, registered, call, options)
    engine = runtime.engine()
    task = prepare_alone(runtime, engine, registered, call, options)
    if asyncio.get_running_loop() is engine.loop:
        return await _accept(engine, task)
    return await hand_over(_accept(engine, task), engine)


def enqueue_sync(
    runtime: Runtime, registered: Registered, call: TaskCall, options: Options
) -> Enqueued:
    """Accept a task in any thread but the engine's own."""
    if options.session is not None:
        return joining.enqueue_sync(runtime, registered, call, options)
    engine = runtime.engine()
    if engine.core.is_here():
        raise WrongThread(
            "enqueue_sync() would block the event loop that it waits for. Use: "
            "await task_manager.enqueue(...)"
        )
    task = prepare_alone(runtime, engine, registered, call, options)
    future = asyncio.run_coroutine_threadsafe(_accept(engine, task), engine.loop)
    return wait_in_thread(future, engine)


def prepare_alone(
    runtime: Runtime,
    engine: Engine,
    registered: Registered,
    call: TaskCall,
    options: Options,
    *,
    durable: bool = False,
) -> LiveTask:
    """A checked task that runs once it is committed; nothing is written. See `Intake.prepare`.

    Args:
        durable: Whatever its function's settings say.
    """
    durable = durable or runtime.durability.of(registered)
    task = engine.intake.prepare(registered, call.args, call.kwargs, options, durable=durable)
    # Of a duplicate the caller gets the other's id, and never hears of this one.
    task.alias = False
    task.context = contextvars.copy_context()
    task.launch_on_commit = True
    return task


async def _accept(engine: Engine, task: LiveTask) -> Enqueued:
    if needs_store(task):
        await engine.commits.commit([task])
    else:
        engine.commits.launch(task)
    return answer(task)


def needs_store(task: LiveTask) -> bool:
    """It is accepted when the store has it."""
    return task.durable or task.record.idempotency_key is not None


def answer(task: LiveTask) -> Enqueued:
    """What became of an accepted task."""
    record = task.record
    of = record.duplicate_of
    return Enqueued(of or record.task_id, of is not None, task.disposition)


def find_duplicate(
    runtime: Runtime, registered: Registered, call: TaskCall, key: str
) -> str | None:
    """The id of a committed equal task that holds the key, as far as is known here.

    The commit decides; this only saves it the work.
    """
    known = runtime.store.holder(key, runtime.settings.idempotency_ttl)
    if known is None or not known.stored or known.fingerprint is None:
        return None
    if fingerprint(runtime, registered, call) != known.fingerprint:
        raise IdempotencyConflict(key, known.record.task_id)
    return known.record.task_id


def fingerprint(runtime: Runtime, registered: Registered, call: TaskCall) -> bytes:
    """Equal for equal calls; for all of a function where arguments cannot be stored."""
    most, sealed = runtime.settings.max_payload_bytes, runtime.settings.sealed
    encode, payload = runtime.registry.encode, b""
    with suppress(ValueError):  # TaskArgumentError
        payload = encode(registered, call.args, call.kwargs, max_bytes=most, sealed=sealed)
    return codec.fingerprint(registered.name, payload)
