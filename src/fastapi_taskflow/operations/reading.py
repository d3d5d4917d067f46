"""Reading tasks: what the store has, with what this instance knows better laid over it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from fastapi_taskflow.backends.base import Attempt, Query, StoredTask
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import results
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.shortids import whole
from fastapi_taskflow.operations.waiting import explain
from fastapi_taskflow.rules.redaction import MASK
from fastapi_taskflow.rules.soundness import mend
from fastapi_taskflow.words.errors import (
    PayloadUnreadable,
    SealUnopened,
    TaskArgumentError,
    TaskNotFound,
)
from fastapi_taskflow.words.loglines import LogEntry
from fastapi_taskflow.words.models import AuditEntry, TaskRecord, TaskStatus

__all__ = [
    "Count",
    "Inspection",
    "arguments",
    "audit",
    "catch_up",
    "count",
    "existing",
    "get",
    "inspect",
    "log",
    "search",
]


T = TypeVar("T")


class Count(NamedTuple):
    """How many tasks match; with ``more`` there are more than ``number``."""

    number: int
    more: bool


class Inspection(NamedTuple):
    """One task with what its record does not say.

    ``attempts`` are the ended ones beside the one that the record shows, oldest first.
    ``stranded``: it waits, and no live instance knows its function.
    """

    record: TaskRecord
    attempts: list[Attempt]
    durable: bool
    cancel_asked: bool
    stranded: bool


def existing(found: T | None, task_id: str) -> T:
    """What was found of a task.

    Raises:
        TaskNotFound: nothing was: there is no such task.
    """
    if found is None:
        raise TaskNotFound(f"Task {task_id} not found")
    return found


async def get(desk: Desk, task_id: str) -> TaskRecord | None:
    """One task with its logs and arguments, by its id or a short one; None if there is none."""
    engine = desk.engine
    task_id = await whole(engine, task_id)
    (stored,) = await engine.backend.get([task_id])
    record = _merged(engine, task_id, stored)
    if record is not None:
        results.shown(engine, record, stored)
        if stored is not None:
            await explain(desk, [(record, stored)])
    return record


async def inspect(desk: Desk, task_id: str, *, arguments: bool = True) -> Inspection | None:
    """One task with its history, to be shown, by its id or a short one; None if there is none.

    Args:
        arguments: With its arguments and result, as far as they can be read, secrets masked.
    """
    engine = desk.engine
    task_id = await whole(engine, task_id)
    (stored,) = await engine.backend.get([task_id])
    record = _merged(engine, task_id, stored, arguments=arguments)
    if record is None:
        return None
    live = engine.store.find(task_id)
    if arguments:
        results.shown(engine, record, stored)
    if arguments and (record.args or record.kwargs or record.result is not None):
        record = await asyncio.to_thread(_redacted, engine, record)
    if stored is None:
        assert live is not None  # noqa: S101  (else there would be no record)
        return Inspection(record, [], live.durable, live.cancel_asked, stranded=False)
    await explain(desk, [(record, stored)])
    waits = record.status is TaskStatus.PENDING and stored.persist and stored.owner is None
    return Inspection(
        record,
        await engine.backend.attempts(task_id),
        stored.persist,
        stored.cancel_asked or (live is not None and live.cancel_asked),
        stranded=waits
        and record.waiting_for is not None
        and record.waiting_for.reason == "no_instance",
    )


async def log(desk: Desk, task_id: str, *, min_level: str = "debug") -> list[LogEntry] | None:
    """The lines of one task's log from a level on, by its id or a short one; None if there is none.

    Raises:
        ConfigurationError: there is no such level.
    """
    engine = desk.engine
    task_id = await whole(engine, task_id)
    (stored,) = await engine.backend.get([task_id])
    record = _merged(engine, task_id, stored, arguments=False)
    return None if record is None else record.log_entries(min_level=min_level)


def _redacted(engine: Engine, record: TaskRecord) -> TaskRecord:
    """With arguments that are fit to be shown; the record of the store stays as it is."""
    live = engine.store.find(record.task_id)
    registered = engine.registry.by_name(record.func_name) if live is None else live.registered
    func = None if registered is None else registered.func
    redactor, given = engine.settings.redactor, (record.args, record.kwargs)
    args, kwargs = redactor.shown(func, *given)
    result = record.result
    if func is None:
        # Only its function says which of them are secret.
        args, result = tuple(MASK for _ in args), None if result is None else MASK
    elif result is not None:
        result = redactor.shown_result(func, *given, result)
    return replace(record, args=args, kwargs=kwargs, result=result)


def _merged(
    engine: Engine, task_id: str, stored: StoredTask | None, *, arguments: bool = True
) -> TaskRecord | None:
    live = engine.store.find(task_id)
    if stored is None:
        return _known_here(engine, live) if live and (live.held or not live.stored) else None
    read = _with_arguments if arguments else _shown
    return _laid_over(engine, read(engine, stored))


def _laid_over(engine: Engine, record: TaskRecord) -> TaskRecord:
    """The newer of a stored record and what this instance knows of the task."""
    known = engine.store.overlay(record)
    live = engine.store.find(record.duplicate_of or record.task_id)
    if known is record or live is None:
        return record
    # Lines of earlier attempts may have been written by another instance.
    known = replace(known, logs=live.all_logs(record.logs), tags=copy(known.tags))
    if not known.args and not known.kwargs:
        # Ended here, so they are in the store only.
        known.args, known.kwargs = record.args, record.kwargs
    mend(known, record)
    return known


async def search(
    desk: Desk,
    query: Query,
    *,
    limit: int,
    cursor: str | None = None,
    most_bytes: int | None = None,
) -> tuple[list[TaskRecord], str | None]:
    """One page of tasks without arguments, newest first, and the cursor of the next one.

    Logs and stack traces, and how ``most_bytes`` ends a page early: see `Backend.search`.
    What this instance has not written yet is written first, so that a POST is always seen
    by the GET after it. Pages follow one another by arrival in the store.
    """
    engine = desk.engine
    await catch_up(engine)
    page = await engine.backend.search(query, limit=limit, cursor=cursor, most_bytes=most_bytes)
    records = [_laid_over(engine, _shown(engine, stored)) for stored in page.tasks]
    await explain(desk, zip(records, page.tasks, strict=True))
    if query.statuses:
        records = [record for record in records if record.status in query.statuses]
    # The store's order is that of arrival, where what is written behind comes late.
    records.sort(key=lambda record: (record.created_at, record.task_id), reverse=True)
    return records, page.cursor


async def count(desk: Desk, query: Query, *, cap: int = 10_000) -> Count:
    """How many stored tasks match: exact without filters, else counted up to ``cap``."""
    backend = desk.engine.backend
    if query == Query():
        return Count(sum(tally.rows for tally in await backend.tally()), more=False)
    found = await backend.count(query, cap=cap + 1)
    return Count(min(found, cap), found > cap)


async def audit(
    desk: Desk, *, limit: int, cursor: str | None = None
) -> tuple[list[AuditEntry], str | None]:
    """What operators did, newest first, and the cursor of the next page."""
    return await desk.engine.backend.audit(limit=limit, cursor=cursor)


async def catch_up(engine: Engine) -> None:
    """Write what is behind, so that the store has everything that happened here."""
    await engine.mirror.flush()


def arguments(engine: Engine, stored: StoredTask) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a stored task, to run it with."""
    if stored.unopened:
        raise SealUnopened(
            f"The arguments of task {stored.record.task_id} are encrypted, and no key in "
            "encrypt_args_key opens them."
        )
    if stored.arguments is not None:
        return stored.arguments
    if stored.payload is not None:
        return engine.registry.decode(stored.record.func_name, stored.payload)
    raise TaskArgumentError(
        f"The arguments of task {stored.record.task_id} were not stored, because they are "
        "not of types that can be. Add the task anew from your code."
    )


def _known_here(engine: Engine, live: LiveTask) -> TaskRecord:
    """The record of a task that is not in the store yet."""
    # The record itself goes on with its task, and is nobody's to change.
    record = replace(live.record, logs=live.all_logs(live.record.logs), tags=copy(live.record.tags))
    if not live.released or live.payload is None or engine.settings.sealed:
        return record
    with suppress(PayloadUnreadable):
        record.args, record.kwargs = engine.registry.decode(record.func_name, live.payload)
    return record


def _shown(engine: Engine, stored: StoredTask) -> TaskRecord:
    record = stored.record
    engine.core.damaged.look(stored)
    if record.status is not TaskStatus.PENDING:
        record.due_at = None
    return record


def _with_arguments(engine: Engine, stored: StoredTask) -> TaskRecord:
    record = _shown(engine, stored)
    if stored.arguments is not None:
        args, kwargs = stored.arguments
        record.args, record.kwargs = args, dict(kwargs)
    payload = stored.payload
    live = engine.store.find(record.task_id)
    if payload is None and live is not None and live.released and not engine.settings.sealed:
        # It ended here just now, and a store that shares its record is told a moment later.
        payload = live.payload
    plain = record.encrypted_payload is None
    if plain and payload is not None and not record.args and not record.kwargs:
        with suppress(PayloadUnreadable):  # shown without arguments; running it will say why
            record.args, record.kwargs = engine.registry.decode(record.func_name, payload)
    return record
