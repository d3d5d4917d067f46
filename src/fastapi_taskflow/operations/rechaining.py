"""Retrying a chain: from the first step that did not succeed."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi_taskflow.backends.base import Member, Query, StoredTask
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import reading
from fastapi_taskflow.operations.adding import prepare_alone
from fastapi_taskflow.operations.originals import as_before, function_named
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["is_step", "members_of", "retry_chain"]

_PAGE = 200


async def members_of(
    engine: Engine, batch_id: str, statuses: Iterable[TaskStatus] = ()
) -> list[StoredTask]:
    """The tasks of a batch without its callbacks, in order of arrival; retries after originals."""
    query, cursor = Query(batch_id=batch_id, statuses=frozenset(statuses)), None
    found: list[StoredTask] = []
    while True:
        page = await engine.backend.search(query, limit=_PAGE, cursor=cursor)
        found += [
            one for one in page.tasks if one.member is not None and one.member.place is not None
        ]
        cursor = page.cursor
        if cursor is None:
            return found[::-1]


async def is_step(engine: Engine, stored: StoredTask) -> bool:
    """The task is a step of a chain that is still stored."""
    member = stored.member
    if member is None or member.place is None or engine.backend.batches is None:
        return False
    (batch,) = await engine.core.batches().find([member.batch_id])
    return batch is not None and batch.chain


async def retry_chain(runtime: Runtime, batch_id: str) -> dict[str, str]:
    """Run what did not succeed of a chain once more, one after the other; ids of the new tasks.

    All in one transaction.

    Raises:
        UnknownTaskFunction: a function is not registered in this process.
        PayloadUnreadable, AlreadyRetried, StoreUnavailable: as of one task.
    """
    engine = runtime.engine()
    latest: dict[int, StoredTask] = {}
    for one in await members_of(engine, batch_id):
        if one.member is not None and one.record.retried_as is None:
            latest[one.member.place or 0] = one
    ended = [one for _, one in sorted(latest.items()) if one.record.status in RETRYABLE]
    # With their arguments, which no list has.
    whole = await engine.backend.get([one.record.task_id for one in ended])
    new: dict[int, LiveTask] = {}
    try:
        for stored in whole:
            if stored is not None and stored.member is not None:
                place = stored.member.place or 0
                before, retried = latest.get(place - 1), new.get(place - 1)
                new[place] = _again(runtime, engine, stored, before, retried)
    except BaseException:
        # Their places in the queues are free again.
        engine.commits.drop(list(new.values()))
        raise
    if new:
        await engine.commits.commit(list(new.values()))
    return {task.record.retry_of or "": task.record.task_id for task in new.values()}


def _again(
    runtime: Runtime,
    engine: Engine,
    stored: StoredTask,
    before: StoredTask | None,
    retried: LiveTask | None,
) -> LiveTask:
    """A step that takes the place of one.

    Args:
        before: The step before it, and ``retried`` what that is retried as, if it is.
    """
    record, member = stored.record, stored.member or Member("")
    registered = function_named(engine, record.func_name)
    options = as_before(runtime, record)
    call = TaskCall(registered.func, *reading.arguments(engine, stored))
    task = prepare_alone(runtime, engine, registered, call, options, durable=True)
    waits = before is not None and before.record.status is not TaskStatus.SUCCESS
    after = member.after
    if after is not None and before is not None:
        after = before.record.task_id if retried is None else retried.record.task_id
    task.member = member._replace(after=after, parked=waits)
    task.record.batch_id = member.batch_id
    return task
