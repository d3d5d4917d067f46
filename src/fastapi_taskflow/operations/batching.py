"""Batches and chains: added, looked at, cancelled, and retried from what did not succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi_taskflow.backends.base import (
    Callback,
    Member,
    NewBatch,
    NewTask,
    StoredBatch,
)
from fastapi_taskflow.engine.accept.gathering import add_batch
from fastapi_taskflow.engine.accept.options import Options, asked
from fastapi_taskflow.engine.core.payloads import describe
from fastapi_taskflow.engine.crossing import hand_over
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import joining, reading
from fastapi_taskflow.operations.cancelling import cancel_many
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.many import AT_A_TIME, Wanted, listed
from fastapi_taskflow.operations.rechaining import members_of, retry_chain
from fastapi_taskflow.operations.retrying import BulkRetry, retry_each
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.shortids import id_text
from fastapi_taskflow.rules.calls import TaskCall, bound
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.batches import Batch, BatchNotFound, BatchStatus
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.states import LIVE, RETRYABLE

__all__ = [
    "MOST_STEPS",
    "add",
    "cancel_batch",
    "get_batch",
    "list_batches",
    "retry_batch",
    "status_of",
]

MOST_STEPS = 1_000
"""Of a chain: whatever ends one looks at those behind it."""

_PAGE = 200


async def add(
    runtime: Runtime,
    calls: Iterable[Any],
    callbacks: Mapping[Callback, Any],
    tags: Mapping[str, Any] | None,
    *,
    chain: bool = False,
    session: Any = None,
) -> Batch:
    """Store a batch of durable tasks, from any event loop; accepted when this returns.

    Args:
        session: Or else when its transaction commits.
    """
    what = "chain" if chain else "batch"
    found = listed(calls, what)
    if chain and not 0 < len(found) <= MOST_STEPS:
        raise TaskArgumentError(f"A chain has 1 to {MOST_STEPS} calls, got {len(found)}.")
    engine = runtime.engine()
    engine.core.batches()
    given = {} if tags is None else {"tags": tags}
    wanted = [_wanted(runtime, call, given, takes=chain and n > 0) for n, call in enumerate(found)]
    called = {
        kind: _wanted(runtime, call, given, takes=False)
        for kind, call in callbacks.items()
        if call is not None
    }
    new = await _made(engine, wanted, called, chain=chain)
    batch = Batch(new.batch_id, tuple(task.task_id for task in new.tasks))
    if session is not None:
        await joining.add_batch(engine, session, new)
        return batch
    if asyncio.get_running_loop() is engine.loop:
        await add_batch(engine.core, new)
    else:
        await hand_over(add_batch(engine.core, new), engine)
    # It may be another loop's.
    engine.loop.call_soon_threadsafe(engine.hints.hint)
    return batch


def _wanted(
    runtime: Runtime, call: Any, given: Mapping[str, Any], *, takes: bool
) -> tuple[Wanted, bool]:
    """A checked call of a registered function, and whether it is given a result.

    Args:
        takes: It follows another, whose result it takes if it has a parameter left.
    """
    call = bound(call, (), {}, runtime.registry.names)
    registered = runtime.registry.find(call.func)
    if registered is None:
        raise TaskArgumentError(
            f"{quoted(call.func)} is not registered: put @task_manager.task() above it, because "
            "tasks of a batch are stored and found again by the name of their function."
        )
    following = None
    if takes and registered.shape is not None:
        following = registered.shape.with_next(call.args, call.kwargs, None)
    checked = call if following is None else TaskCall(call.func, *following)
    _, _, options = asked(runtime.registry, checked, (), {}, given)
    return (registered, call, options), following is not None


async def _made(
    engine: Engine,
    wanted: Sequence[tuple[Wanted, bool]],
    called: Mapping[Callback, tuple[Wanted, bool]],
    *,
    chain: bool,
) -> NewBatch:
    """The batch as it is stored."""
    batch_id, tasks = new_id(), list[NewTask]()
    keys = set[str]()
    for place, (one, takes) in enumerate(wanted):
        if place % AT_A_TIME == AT_A_TIME - 1:
            await asyncio.sleep(0)
        task = _task(engine, *one)
        _refuse_rivals(one[0], task, keys, chain=chain)
        if takes and wanted[place - 1][0][0].config.result_ttl == 0:
            raise TaskArgumentError(
                f"{tasks[-1].func_name!r} has result_ttl=0, so what it returns is not "
                f"stored; {one[0].name!r} behind it in the chain takes it. Let it be kept a while."
            )
        after = tasks[-1].task_id if takes else None
        member = Member(batch_id, place, after, parked=chain and place > 0)
        tasks.append(task._replace(member=member))
    callbacks = {}
    for kind, ((registered, call, options), _) in called.items():
        task = _task(engine, registered, call, options)
        if task.order_key is not None:
            raise TaskArgumentError(
                f"Task {registered.name!r} has a key=, so it cannot be a callback of a batch: it "
                "is added by the end of a task, where nothing can wait. Enqueue it from a callback."
            )
        callbacks[kind] = task._replace(member=Member(batch_id))
    options = wanted[0][0][2] if wanted else Options()
    return NewBatch(
        batch_id, engine.clock.now(), tuple(tasks), callbacks, chain, dict(options.tags or {})
    )


def _task(engine: Engine, registered: Registered, call: TaskCall, options: Options) -> NewTask:
    """One of its tasks. Nothing of it stays in this process: whoever is free claims it."""
    task = engine.intake.prepare(registered, call.args, call.kwargs, options, durable=True)
    # One that is dropped for its key is found as the one that has the turn.
    task.alias = registered.config.on_conflict == "drop"
    new = describe(task, None)
    engine.core.queues.uncount(task)
    engine.core.store.drop(task)
    return new


def _refuse_rivals(registered: Registered, task: NewTask, keys: set[str], *, chain: bool) -> None:
    """Two of one batch that would end each other for their key; ``keys`` are those before it."""
    key, on_conflict = task.order_key, registered.config.on_conflict
    if key is not None and chain and on_conflict == "drop":
        raise TaskArgumentError(
            f"{registered.name!r} has on_conflict='drop', so it cannot be a step of a chain: "
            "dropped for its key, it would leave nothing for those behind it to wait for."
        )
    if key is not None and key in keys and on_conflict != "queue":
        raise TaskArgumentError(
            f"Two calls of one batch have the key {quoted(key)}, and {registered.name!r} has "
            f"on_conflict={on_conflict!r}: one would end the other, or be dropped for it. Give "
            'each key once, or let them run one after the other with on_conflict="queue".'
        )
    if key is not None:
        keys.add(key)


# Looking


async def get_batch(desk: Desk, batch_id: str) -> BatchStatus:
    """How far a batch has come.

    Raises:
        BatchNotFound: there is none, or it was deleted with old records.
    """
    (found,) = await desk.engine.core.batches().find([id_text(batch_id)])
    if found is None:
        raise BatchNotFound(f"No batch has the id {quoted(batch_id)}.")
    return status_of(found)


async def list_batches(
    desk: Desk, *, limit: int, cursor: str | None = None
) -> tuple[list[BatchStatus], str | None]:
    """Batches, the newest first, and the cursor of the next page.

    Raises:
        ValueError: the cursor is not one of this store's.
    """
    limit = limits.whole("limit", limit, least=1, most=1_000, error=TaskArgumentError)
    if cursor is not None:
        cursor = limits.text("cursor", cursor, most=100, error=TaskArgumentError)
    found, more = await desk.engine.core.batches().page(limit=limit, cursor=cursor)
    return [status_of(one) for one in found], more


def status_of(found: StoredBatch) -> BatchStatus:
    """A batch as people see it."""
    ended = found.success + found.failed + found.cancelled
    left = max(0, found.total - ended)
    return BatchStatus(
        id=found.batch_id,
        chain=found.chain,
        total=found.total,
        pending=left - found.running,
        running=found.running,
        success=found.success,
        failed=found.failed,
        cancelled=found.cancelled,
        done=left == 0,
        created_at=found.created_at,
        ended_at=found.ended_at,
        tags=found.tags,
    )


# Acting


async def cancel_batch(desk: Desk, batch_id: str, *, actor: str = ANONYMOUS) -> BatchStatus:
    """Cancel what has not started of a batch, and ask what runs to end; how far it is then.

    Raises:
        BatchNotFound: there is none.
    """
    batch_id = (await get_batch(desk, batch_id)).id
    engine, asked_of = desk.engine, set[str]()
    while True:
        # A step that ends meanwhile may have made the next one due.
        live = [
            one.record.task_id
            for one in await members_of(engine, batch_id, LIVE)
            if one.record.task_id not in asked_of
        ]
        if not live:
            break
        await cancel_many(engine, live)
        asked_of.update(live)
    await desk.note("cancel_batch", batch_id, actor, {"tasks": len(asked_of)})
    return await get_batch(desk, batch_id)


async def retry_batch(desk: Desk, batch_id: str, *, actor: str = ANONYMOUS) -> BulkRetry:
    """Run the tasks of a batch once more that ended without success, each in its place.

    Of a chain: the first of them, and then those behind it.

    Raises:
        BatchNotFound: there is none.
    """
    engine, done = desk.engine, BulkRetry()
    batch = await get_batch(desk, batch_id)
    batch_id = batch.id
    await reading.catch_up(engine)
    if batch.chain:
        done.retried += (await retry_chain(desk.runtime, batch_id)).items()
    else:
        found = await members_of(engine, batch_id, RETRYABLE)
        for begin in range(0, len(found), _PAGE):
            part = [one for one in found[begin : begin + _PAGE] if one.record.retried_as is None]
            whole = await engine.backend.get([one.record.task_id for one in part])
            await retry_each(desk.runtime, [one for one in whole if one is not None], done)
    if done.retried:
        await desk.note("retry_batch", batch_id, actor, {"dispatched": len(done.retried)})
    return done
