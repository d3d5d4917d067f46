"""What functions returned: shown with their tasks, and waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import StoredTask
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.rules import results
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import (
    PayloadUnreadable,
    ResultUnavailable,
    TaskArgumentError,
    TaskCancelled,
    TaskFailed,
)
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["result", "shown"]

# How often a store is asked of a task that runs elsewhere: soon at first, then each second.
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
# Of a task that runs here, whose end is told.
_LONG_PAUSE_SECONDS = 5.0


async def result(desk: Desk, task_id: str, timeout: float | None = None) -> Any:
    """What a task returned, when it has ended, or what it was retried as by hand.

    Raises:
        TaskFailed, TaskCancelled: it ended otherwise.
        ResultUnavailable: there is no such task, or its result is not there, or no more.
        TimeoutError: it has not ended within ``timeout`` seconds; nothing changes by that.
    """
    engine = desk.engine
    seconds = limits.optional(limits.span, "result: timeout", timeout, error=TaskArgumentError)
    async with asyncio.timeout(seconds):
        task_id = await whole(engine, task_id)
        while True:
            end = await _ended(engine, task_id)
            if end.record.status is TaskStatus.SUCCESS or end.record.retried_as is None:
                break
            task_id = end.record.retried_as
    return _outcome(engine, end)


class _End(NamedTuple):
    """A task that has ended, and what it returned as it is stored, or why that is not there."""

    record: TaskRecord
    value: bytes | None
    missing: str | None


async def _ended(engine: Engine, task_id: str) -> _End:
    """The task, once it has ended."""
    pause = _FIRST_PAUSE_SECONDS
    live = engine.store.find(task_id)
    # Of a plain task of our own the end is told here: the store is asked only if none is.
    asks = live is None or live.durable or not live.held
    with engine.core.ends.awaited(task_id) as told:
        while True:
            live = engine.store.find(task_id)
            if live is not None and (end := _own_end(live)) is not None:
                # So that others, who ask the store, find it too.
                await engine.mirror.flush()
                return end
            stored = await _stored(engine, task_id) if asks or live is None else None
            if stored is not None and stored.record.status in TERMINAL:
                return _stored_end(stored)
            if live is None and stored is None:
                raise ResultUnavailable(f"Task {task_id} not found")
            if live is not None and live.record.status in TERMINAL and not live.durable:
                # It ended here, and is to be written.
                await engine.mirror.flush()
                stored = await _stored(engine, task_id)
                if stored is not None and stored.record.status in TERMINAL:
                    return _stored_end(stored)
            if stored is not None and stored.record.duplicate_of is not None:
                # Its end is told by that id.
                return await _ended(engine, stored.record.duplicate_of)
            here = live is not None and live.held
            await told.wait(_LONG_PAUSE_SECONDS if here else pause)
            asks, pause = True, min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _stored(engine: Engine, task_id: str) -> StoredTask | None:
    return await engine.core.looks.get(task_id)


def _stored_end(stored: StoredTask) -> _End:
    return _End(stored.record, stored.result, stored.record.result_missing)


def _own_end(live: LiveTask) -> _End | None:
    """The success of a plain task that ended here; None: it has none, or the store has more."""
    result, is_plain = live.result, not live.durable
    if is_plain and live.record.status is TaskStatus.SUCCESS:
        if result is not None:
            return _End(live.record, result.value, result.missing)
        if not live.stored:
            return _End(live.record, None, None)
    return None


def _outcome(engine: Engine, end: _End) -> Any:
    record = end.record
    if record.status is TaskStatus.CANCELLED:
        raise TaskCancelled(record.task_id, record.error)
    if record.status is not TaskStatus.SUCCESS:
        raise TaskFailed(record.task_id, record.error or record.status.value)
    if end.missing is not None:
        raise ResultUnavailable(f"Task {record.task_id} has no result: {end.missing}")
    if end.value is None:
        return None
    try:
        return results.decode(engine.registry.types, record.func_name, end.value)
    except PayloadUnreadable as exc:
        raise ResultUnavailable(
            f"The result of task {record.task_id} cannot be read here: {exc}"
        ) from exc


def shown(engine: Engine, record: TaskRecord, stored: StoredTask | None) -> None:
    """Give a record of whoever asks its result, as far as it can be read."""
    if record.status is not TaskStatus.SUCCESS or engine.settings.sealed:
        return
    live = engine.store.find(record.task_id)
    data = None if stored is None else stored.result
    if data is None and live is not None and live.result is not None:
        data, record.result_missing = live.result.value, live.result.missing
    if data is not None:
        with suppress(PayloadUnreadable):
            record.result = results.decode(engine.registry.types, record.func_name, data)
