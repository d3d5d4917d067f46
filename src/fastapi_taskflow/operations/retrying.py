"""Running tasks that ended without success once more: one, many by id, or those that failed.

Each retry of many is stored wholly or not at all, and apart from the others; retries that
wait for the store at the same time share its transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Query, StoredTask
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.operations import reading
from fastapi_taskflow.operations.adding import prepare_alone
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.operations.originals import as_before, commit_again, function_named
from fastapi_taskflow.operations.rechaining import is_step, retry_chain
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.rules.bulk import Refusal
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import (
    AlreadyRetried,
    PayloadUnreadable,
    QueueFullError,
    StoreUnavailable,
    TaskflowError,
    TaskStateError,
)
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = [
    "BULK_LIMIT",
    "BulkRetry",
    "Refusal",
    "accept_again",
    "refuse",
    "retry",
    "retry_each",
    "retry_failed",
    "retry_many",
]

BULK_LIMIT = 1_000
"""Tasks that one call retries at most."""

# Read, checked and stored together; between two of these other requests have their turn.
_BATCH = 100
# Nobody asked for these ends, as for CANCELLED and REJECTED.
_UNINTENDED = frozenset({TaskStatus.FAILED, TaskStatus.INTERRUPTED})
# Failed tasks that one call looks at; most of them may have been retried before.
_LOOKED_AT = 10_000


@dataclass(slots=True, kw_only=True)
class BulkRetry:
    """What became of the tasks of one call.

    Attributes:
        retried: Ids of an original and of its retry.
        skipped: How many were not retried.
        refusals: The first `BULK_LIMIT` of them.
        cursor: Where another call goes on; None where nothing is left.
    """

    retried: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    cursor: str | None = None
    # By queue, what its refusal said. One leaves a REJECTED record behind, so there is none
    # after the first.
    full: dict[str, str] = field(default_factory=dict)

    def skip(self, task_id: str, reason: str) -> None:
        """Count a task that was not retried."""
        self.skipped += 1
        if len(self.refusals) < BULK_LIMIT:
            self.refusals.append(Refusal(task_id, reason))


async def retry(desk: Desk, task_id: str, *, actor: str = ANONYMOUS) -> str:
    """Run a task that ended without success once more, as a new task; its id.

    Raises:
        TaskNotFound, TaskStateError: no such task, or it did not end without success.
        TaskArgumentError, PayloadUnreadable: its arguments are not stored, or cannot be
            read back.
        AlreadyRetried: it was retried before.
        KeyTaken: another task has its idempotency key by now.
        UnknownTaskFunction: its function is not registered in this process.
    """
    engine = desk.engine
    task_id = await whole(engine, task_id)
    await reading.catch_up(engine)
    (stored,) = await engine.backend.get([task_id])
    new = await _again(desk.runtime, reading.existing(stored, task_id))
    await desk.note("retry", task_id, actor, {"new_task_id": new})
    return new


async def retry_many(desk: Desk, task_ids: Sequence[str], *, actor: str = ANONYMOUS) -> BulkRetry:
    """Run tasks once more, in order; an id that is given twice counts once.

    Raises:
        StoreUnavailable: the store stopped to answer before anything was retried.
    """
    engine = desk.engine
    await reading.catch_up(engine)
    done = BulkRetry()
    chosen: dict[str, None] = {}
    for task_id in task_ids:
        try:
            chosen[await whole(engine, task_id)] = None
        except TaskStateError as exc:
            done.skip(task_id, str(exc))
    ids = list(chosen)
    for begin in range(0, len(ids), _BATCH):
        batch = ids[begin : begin + _BATCH]
        found = []
        for task_id, stored in zip(batch, await engine.backend.get(batch), strict=True):
            if stored is None:
                done.skip(task_id, "Task not found")
            else:
                found.append(stored)
        await retry_each(desk.runtime, found, done)
    await _note(desk, "bulk-retry", actor, done, {})
    return done


async def retry_failed(
    desk: Desk,
    *,
    since: datetime | None = None,
    func_name: str | None = None,
    cursor: str | None = None,
    actor: str = ANONYMOUS,
) -> BulkRetry:
    """Run FAILED and INTERRUPTED tasks once more, newest first, up to `BULK_LIMIT` of them.

    Args:
        since: Only those that were added at or after this instant.
        cursor: `BulkRetry.cursor` of an earlier call with the same filters.

    Raises:
        StoreUnavailable: the store stopped to answer before anything was retried.
        ValueError: the cursor is not one of this store's.
    """
    engine = desk.engine
    await reading.catch_up(engine)
    done = BulkRetry(cursor=cursor)
    query = Query(statuses=_UNINTENDED, func_name=func_name, since=since)
    looked_at = 0
    while len(done.retried) < BULK_LIMIT and looked_at < _LOOKED_AT:
        limit = min(_BATCH, BULK_LIMIT - len(done.retried))
        page = await engine.backend.search(query, limit=limit, cursor=done.cursor)
        # With their arguments, which no list has.
        whole_tasks = await engine.backend.get([task.record.task_id for task in page.tasks])
        found = [task for task in whole_tasks if task is not None]
        await retry_each(desk.runtime, found, done)
        looked_at += len(page.tasks)
        done.cursor = page.cursor
        if page.cursor is None:
            break
    chosen = {"since": None if since is None else since.isoformat(), "func_name": func_name}
    await _note(desk, "retry-failed", actor, done, chosen)
    return done


async def _note(
    desk: Desk, target: str, actor: str, done: BulkRetry, detail: dict[str, Any]
) -> None:
    if done.retried:
        counts = {"dispatched": len(done.retried), "skipped": done.skipped}
        await desk.note("bulk_retry", target, actor, {**counts, **detail})


async def retry_each(runtime: Runtime, batch: Sequence[StoredTask], done: BulkRetry) -> None:
    """Retry tasks that were read with their arguments, each apart from the others."""

    async def attempt(stored: StoredTask) -> str | TaskflowError:
        try:
            return await _again(runtime, stored, done.full)
        except TaskflowError as error:
            if isinstance(error, QueueFullError):
                done.full[stored.record.queue] = str(error)
            return error

    # Together, so that they share the store's transactions.
    for stored, ended in zip(batch, await asyncio.gather(*map(attempt, batch)), strict=True):
        task_id = stored.record.task_id
        if isinstance(ended, str):
            done.retried.append((task_id, ended))
        elif isinstance(ended, StoreUnavailable) and not done.retried:
            raise ended
        else:
            done.skip(task_id, str(ended))


def refuse(stored: StoredTask) -> None:
    """What the store checks too, in the transaction; first for the sake of the order of errors.

    A task in the wrong state need not have a function.
    """
    record = stored.record
    if record.retried_as is not None:
        raise AlreadyRetried(record.task_id, record.retried_as)
    if record.status not in RETRYABLE:
        raise TaskStateError(
            f"Task {record.task_id} is {record.status.value}; only tasks that ended without "
            "success can be retried."
        )
    if stored.damage is not None:
        raise PayloadUnreadable(
            f"Task {record.task_id} is damaged in the store, so nobody knows what it was: "
            f"{stored.damage}. Add it anew from your code."
        )


async def _again(runtime: Runtime, stored: StoredTask, full: dict[str, str] | None = None) -> str:
    record, engine = stored.record, runtime.engine()
    refuse(stored)
    if await is_step(engine, stored):
        # It needs what is before it, and those behind need it.
        new = await retry_chain(runtime, record.batch_id or "")
        if record.task_id in new:
            return new[record.task_id]
        # Somebody else has retried the chain since the task was read.
        (now,) = await engine.backend.get([record.task_id])
        refuse(reading.existing(now, record.task_id))
        raise TaskStateError(f"Another task stands in the place of task {record.task_id} by now.")
    registered = function_named(engine, record.func_name)
    call = TaskCall(registered.func, *reading.arguments(engine, stored))
    if full and record.queue in full:
        raise TaskStateError(full[record.queue])
    options = as_before(runtime, record)._replace(idempotency_key=record.idempotency_key)
    return await accept_again(runtime, stored, registered, call, options, payload=stored.payload)


async def accept_again(
    runtime: Runtime,
    stored: StoredTask,
    registered: Registered,
    call: TaskCall,
    options: Options,
    *,
    payload: bytes | None = None,
) -> str:
    """Accept a task that takes the place of one that ended; its id.

    Args:
        payload: The same arguments as that one stored them.
    """
    record, engine = stored.record, runtime.engine()
    in_batch = stored.member is not None
    task = prepare_alone(runtime, engine, registered, call, options, durable=in_batch)
    if task.payload is None:
        # Not durable: kept all the same, so that the retry can be shown and retried too.
        task.payload = payload
    task.member, task.record.batch_id = stored.member, record.batch_id
    await commit_again(engine, [task])
    if options.replace_original:
        engine.store.forget(record.task_id)
    return task.record.task_id
