"""What people do to a store, and its upkeep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fastapi_taskflow.backends.base import Grain, Purged
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.plan import Cell, Plan
from fastapi_taskflow.backends.rules.retention import oldest_kept
from fastapi_taskflow.backends.rules.sums import spans
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.dialect import adding
from fastapi_taskflow.backends.sql.statements import (
    BEFORE,
    MOST,
    NOW,
    OF,
    add,
    drop,
    find,
    locked,
)
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import audit, deltas, keys, queues, sums, tasks
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["SqlUpkeep"]

_MICROS_PER_SECOND = 1_000_000
_LAST = 2**62
_ENTRY = list(AuditEntry.__dataclass_fields__)
_AUDIT = (
    sa.select(*[audit.c[name] for name in _ENTRY], audit.c.number)
    .where(audit.c.number < BEFORE)
    .order_by(audit.c.number.desc())
    .limit(MOST)
)
_SETTINGS = locked(sa.select(queues.c.settings).where(queues.c.queue == OF))
_OLD = locked(
    sa.select(tasks.c.task_id, *[tasks.c[name] for name in Cell._fields])
    .where(tasks.c.end_time < BEFORE)
    .order_by(tasks.c.end_time, tasks.c.arrival)
    .limit(MOST),
    skip=True,
)
_EXPIRED = locked(sa.select(keys.c.key).where(keys.c.expires_at <= NOW).limit(MOST), skip=True)
_ADDED = locked(sa.select(deltas).order_by(deltas.c.number).limit(MOST), skip=True)
_OUTDATED = locked(
    sa.select(sums.c.number).where(sums.c.grain == OF, sums.c.second < BEFORE).limit(MOST),
    skip=True,
)
_CELL = "queue", "func_name", "status", "bin"
_AMOUNTS = "rows", "ended", "seconds"
_ADD = adding(sums, ["grain", "second", *_CELL], [*_AMOUNTS])


class SqlUpkeep(OnStore, Operators):
    """Queue settings, the audit trail, retention."""

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._store.writing() as tx:
            stored = (await tx.sql.execute(_SETTINGS, {"of": queue})).scalar() or {}
            merged = {**stored, **settings}
            await drop(tx.sql, queues.c.queue, [queue])
            await add(tx.sql, queues, [{"queue": queue, "settings": merged}])
        return merged

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        if entries:
            rows = [{name: getattr(entry, name) for name in _ENTRY} for entry in entries]
            async with self._store.writing() as tx:
                await add(tx.sql, audit, rows)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = _LAST if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            found = await find(sql, _AUDIT, before=before, most=limit + 1)
        page = [AuditEntry(*[one[name] for name in _ENTRY]) for one in found[:limit]]
        return page, str(found[limit - 1]["number"]) if len(found) > limit else None

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        async with self._store.writing() as tx:
            gone = () if before is None else await _purge_tasks(tx, before, limit)
            expired = await find(tx.sql, _EXPIRED, now=tx.now, most=limit)
            await drop(tx.sql, keys.c.key, [one["key"] for one in expired])
            return Purged(gone, len(expired), await _fold(tx, limit))


async def _purge_tasks(tx: Writing, before: datetime, limit: int) -> tuple[str, ...]:
    plan = Plan(tx.now)
    for one in await find(tx.sql, _OLD, before=before + tx.lead, most=limit):
        plan.delete(one["task_id"], Cell(*[one[name] for name in Cell._fields]))
    await apply(tx, plan)
    return tuple(plan.deleted)


async def _fold(tx: Writing, limit: int) -> int:
    """Sum up what was added, and drop what is too old; how many rows that were."""
    found = await find(tx.sql, _ADDED, most=limit)
    summed = [
        {"grain": grain, "second": start, **{name: one[name] for name in (*_CELL, *_AMOUNTS)}}
        for one in found
        for grain, start in spans(one["second"]).items()
        # Where a task is now has no time.
        if one["ended"] or grain is Grain.EVER
    ]
    if summed:
        await tx.sql.execute(_ADD, summed)
        await drop(tx.sql, deltas.c.number, [one["number"] for one in found])
    touched = len(found)
    for grain in Grain:
        before = oldest_kept(grain, to_micros(tx.now) // _MICROS_PER_SECOND)
        if before is not None and touched < limit:
            old = await find(tx.sql, _OUTDATED, of=grain, before=before, most=limit - touched)
            await drop(tx.sql, sums.c.number, [one["number"] for one in old])
            touched += len(old)
    return touched
