"""Carrying out an action on many tasks: page by page, by whichever instance has it.

Each page is one change of what is stored of the action, made from the version that was read, and
retries are inserted in its transaction. So whoever goes on after a death knows the last page, and a
page is done once however many are at it. A retry's id follows from the action's and the task's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi_taskflow.backends.base import (
    Admission,
    CancelResult,
    NewTask,
    RetryRefused,
    ScheduleChange,
    StoredSchedule,
    StoredTask,
)
from fastapi_taskflow.engine.core.bulk import BulkAction, query_of
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.payloads import encode
from fastapi_taskflow.engine.core.schedules import port_of
from fastapi_taskflow.rules.bulk import BulkState, Ends, Refusal, retry_id
from fastapi_taskflow.words.errors import StoreUnavailable, TaskArgumentError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["BulkRuns"]

logger = logging.getLogger(__name__)

# In one transaction; other writers wait for it.
_PAGE = 100
# How long nobody else takes it from an instance that says nothing.
_LEASE = timedelta(seconds=5)


class _Saved(NamedTuple):
    """What is stored of an action now, and what became of the tasks that were sent along."""

    one: BulkAction
    admissions: tuple[Admission, ...]


class BulkRuns:
    """Carries out one action at a time.

    Args:
        hint: Told of a queue in which the store has something to claim.
    """

    def __init__(self, core: Core, *, hint: Callable[[str], None]) -> None:
        self._core = core
        self._hint = hint
        self._busy = False

    def offer(self, row: StoredSchedule) -> None:
        """Nobody is at this one: take it, unless there is another already."""
        if not self._busy and not self._core.draining:
            self._busy = True
            self._core.supervisor.spawn(self._run(row), "a bulk action")

    async def _run(self, row: StoredSchedule) -> None:
        try:
            await self._carry_out(row)
        except StoreUnavailable as exc:
            notify(logger, logging.WARNING, "A bulk action waits for the store: %s", exc)
        except Exception as exc:  # another instance may do better
            notify(logger, logging.ERROR, "A bulk action cannot go on", error=exc)
        finally:
            self._busy = False

    async def _carry_out(self, row: StoredSchedule) -> None:
        one = BulkAction.read(row)
        if one.state.status != "running":
            await self._change(ScheduleChange(row.name, row.version, None))
            return
        saved = await self._save(one, one.state._replace(worker=self._core.instance_id))
        taken = None if saved is None else saved.one
        ends = Ends()
        if taken is not None and taken.state.doing:
            if taken.bulk.kind == "cancel":
                # Whoever was at it may have died before it did.
                await self._cancel(taken.state.doing)
                ends = await self._cancelled(taken.state.doing)
            else:
                ends = await self._retried(taken, {})
        while taken is not None and not self._core.draining:
            following, ends = await self._page(taken, ends)
            if following is None:
                await self._note(taken, ends)
            taken = following

    async def _page(self, one: BulkAction, ends: Ends) -> tuple[BulkAction | None, Ends]:
        """One page; what became of its tasks, None if somebody else is at it, or it is over."""
        state = one.state.counted(ends)
        if state.is_exhausted:
            now = (await port_of(self._core).due(limit=0)).now
            _, change = one.end(state.over("done", now), now)
            await self._change(change)
            return None, Ends()
        backend, query = self._core.backend, query_of(one.bulk.filters)
        page = await backend.search(query, limit=_PAGE, cursor=state.cursor)
        ids = tuple(task.record.task_id for task in page.tasks)
        state = state._replace(
            begun=True, cursor=page.cursor, doing=ids, found=state.found + len(ids)
        )
        tasks = await self._retries(one, ids) if one.bulk.kind == "retry" else []
        saved = await self._save(one, state, *tasks)
        if saved is None:
            return None, ends
        for queue in {task.queue for task in tasks}:
            self._hint(queue)
        if one.bulk.kind == "retry":
            return saved.one, await self._retried(saved.one, _holders(saved.admissions))
        return saved.one, await self._cancel(ids)

    async def _save(self, one: BulkAction, state: BulkState, *tasks: NewTask) -> _Saved | None:
        """Write a state; None: it was changed since."""
        now = (await port_of(self._core).due(limit=0)).now
        saved, change = one.put(state, now, now + _LEASE, *tasks)
        admissions = await self._change(change)
        return None if admissions is None else _Saved(saved, admissions)

    async def _change(self, change: ScheduleChange) -> tuple[Admission, ...] | None:
        key_ttl = self._core.settings.idempotency_ttl
        (answer,) = await port_of(self._core).change([change], key_ttl=key_ttl)
        return answer

    async def _note(self, one: BulkAction, ends: Ends) -> None:
        """Somebody has cancelled it: what became of its last page belongs to it."""
        (row,) = await port_of(self._core).find([one.stored.name])
        found = None if row is None else BulkAction.read(row)
        if found is None or found.state.status != "cancelled" or not found.state.doing:
            return
        now = (await port_of(self._core).due(limit=0)).now
        _, change = found.end(found.state.counted(ends), now)
        await self._change(change)

    # What it does to tasks

    async def _retries(self, one: BulkAction, ids: Sequence[str]) -> list[NewTask]:
        found = await self._core.backend.get(ids)
        made = [
            self._retry(one.bulk_id, task)
            for task in found
            if task is not None and not _is_late(one, task)
        ]
        return [task for task in made if task is not None]

    def _retry(self, bulk_id: str, stored: StoredTask) -> NewTask | None:
        record, payload = stored.record, stored.payload
        if payload is None and stored.arguments is not None:
            payload = self._encoded(record.func_name, *stored.arguments)
        unfit = payload is None or stored.unopened or stored.damage is not None
        if unfit or record.retried_as is not None or record.status not in RETRYABLE:
            return None
        return NewTask(
            retry_id(bulk_id, record.task_id),
            record.func_name,
            payload,
            record.queue,
            self._core.clock.now(),
            priority=record.priority,
            requeue=stored.requeue,
            tags=record.tags,
            source=record.source,
            executor=record.executor,
            retry_of=record.task_id,
            replace_original=self._core.settings.retry_replaces_original,
            title=record.title,
            order_key=record.order_key,
        )

    def _encoded(
        self, func_name: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> bytes | None:
        registered = self._core.registry.by_name(func_name)
        if registered is None:
            return None
        try:
            return encode(self._core, registered, args, kwargs, durable=True)
        except TaskArgumentError:
            return None

    async def _retried(self, one: BulkAction, holders: Mapping[str, str]) -> Ends:
        """What became of the tasks of its last page, by whoever.

        Args:
            holders: Who has the idempotency keys of those that were refused for it.
        """
        ids = one.state.doing
        made = await self._core.backend.get([retry_id(one.bulk_id, each) for each in ids])
        left = [each for each, task in zip(ids, made, strict=True) if task is None]
        found = await self._core.backend.get(left) if left else []
        refusals = [
            Refusal(each, _not_retried(one, task, holders.get(each)))
            for each, task in zip(left, found, strict=True)
        ]
        return Ends(len(ids) - len(left), tuple(refusals))

    async def _cancelled(self, ids: Sequence[str]) -> Ends:
        """What became of tasks that somebody has cancelled."""
        found = await self._core.backend.get(ids)
        refusals = [
            Refusal(each, _ended(None if task is None else task.record.status))
            for each, task in zip(ids, found, strict=True)
            if task is None or not _is_cancelled(task)
        ]
        return Ends(len(ids) - len(refusals), tuple(refusals))

    async def _cancel(self, ids: Sequence[str]) -> Ends:
        answers = await self._core.backend.cancel(ids)
        good = CancelResult.CANCELLED, CancelResult.ASKED
        refusals = [
            Refusal(each, _ended(answer.status))
            for each, answer in zip(ids, answers, strict=True)
            if answer.result not in good
        ]
        return Ends(len(ids) - len(refusals), tuple(refusals))


def _is_late(one: BulkAction, task: StoredTask) -> bool:
    """It ended after those were counted to which this was to be done."""
    before, ended = one.bulk.before, task.record.end_time
    return before is not None and ended is not None and ended >= datetime.fromisoformat(before)


def _is_cancelled(task: StoredTask) -> bool:
    return task.cancel_asked or task.record.status is TaskStatus.CANCELLED


def _holders(admissions: Sequence[Admission]) -> dict[str, str]:
    """By the task that was not retried: the one that has its idempotency key."""
    refused = [one for one in admissions if isinstance(one, RetryRefused)]
    return {one.task_id: one.holder for one in refused if one.holder is not None}


def _ended(status: TaskStatus | None) -> str:
    return "It was deleted meanwhile." if status is None else f"It is {status.value} by now."


def _not_retried(one: BulkAction, stored: StoredTask | None, holder: str | None) -> str:
    if stored is None or stored.record.status not in RETRYABLE:
        return _ended(None if stored is None else stored.record.status)
    if _is_late(one, stored):
        return "It ended after it was counted."
    if stored.record.retried_as is not None:
        return f"It was retried as {stored.record.retried_as}."
    if stored.damage is not None:
        return f"It is damaged in the store: {stored.damage}"
    if stored.unopened:
        return "No key opens its arguments."
    if stored.payload is None and stored.arguments is None:
        return "Its arguments are not stored."
    if holder is None and stored.record.idempotency_key is None:
        return "Its arguments cannot be stored."
    return f"Its idempotency key now belongs to {f'task {holder}' if holder else 'another task'}."
