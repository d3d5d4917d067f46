"""How tasks get into the transaction of its caller's session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastapi_taskflow.backends.base import Joined, NewBatch
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.calls import Enqueued, TaskCall
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["add_batch", "enqueue", "enqueue_many", "enqueue_sync"]

_Step = Callable[[Joined], list[Enqueued]]


async def enqueue(
    runtime: Runtime, registered: Registered, call: TaskCall, options: Options
) -> Enqueued:
    """Store a task, on the event loop that the session belongs to."""
    (stored,) = await enqueue_many(runtime, options.session, [(registered, call, options)])
    return stored


async def enqueue_many(
    runtime: Runtime, session: Any, wanted: Sequence[tuple[Registered, TaskCall, Options]]
) -> list[Enqueued]:
    """Store tasks, all or none, on the event loop that the session belongs to."""
    engine, step = _prepared(runtime, wanted)
    transactions = engine.core.transactions()
    return await transactions.run_async(session, engine.core.instance_id, step)


async def add_batch(engine: Engine, session: Any, new: NewBatch) -> None:
    """Store a batch, on the event loop that the session belongs to."""
    transactions = engine.core.transactions()
    step = partial(engine.joining.add_batch, new=new)
    await transactions.run_async(session, engine.core.instance_id, step)


def enqueue_sync(
    runtime: Runtime, registered: Registered, call: TaskCall, options: Options
) -> Enqueued:
    """As `enqueue`, of a session that blocks, in any thread."""
    engine, step = _prepared(runtime, [(registered, call, options)])
    transactions = engine.core.transactions()
    if transactions.is_async(options.session):
        raise ConfigurationError(
            "enqueue_sync() cannot wait for an async session. Use: await task_manager.enqueue("
            "..., session=session)"
        )
    (stored,) = transactions.run(options.session, engine.core.instance_id, step)
    return stored


def _prepared(
    runtime: Runtime, wanted: Sequence[tuple[Registered, TaskCall, Options]]
) -> tuple[Engine, _Step]:
    engine = runtime.engine()
    tasks = []
    for registered, call, options in wanted:
        engine.joining.check(registered)
        task = engine.intake.make(registered, call.args, call.kwargs, options, durable=True)
        task.alias = False
        tasks.append(task)
    return engine, partial(engine.joining.insert, tasks=tasks)
