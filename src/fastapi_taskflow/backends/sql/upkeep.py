"""What people do to a store, and its upkeep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fastapi_taskflow.backends.base import Grain, Purged
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.rules.auditing import RECENT, linked
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.pausing import is_kept
from fastapi_taskflow.backends.rules.plan import Cell, Plan
from fastapi_taskflow.backends.rules.retention import oldest_kept
from fastapi_taskflow.backends.rules.sums import spans
from fastapi_taskflow.backends.rules.telling import EXPIRED
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.failures import fold_failures
from fastapi_taskflow.backends.sql.loading import enter
from fastapi_taskflow.backends.sql.statements import (
    BEFORE,
    MOST,
    NOW,
    OF,
    Found,
    add,
    drop,
    find,
    locked,
)
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import (
    audit,
    batches,
    calls,
    deltas,
    keys,
    queues,
    sums,
    tasks,
)
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
_RECENT = sa.select(audit.c.entry_id, audit.c.hash).order_by(audit.c.number.desc()).limit(RECENT)
_SETTINGS = locked(sa.select(queues.c.settings).where(queues.c.queue == OF))
_SET = (
    sa.update(queues)
    .where(queues.c.queue == OF)
    .values(settings=sa.bindparam("to", type_=queues.c.settings.type))
)
_OLD = locked(
    sa.select(tasks.c.task_id, *[tasks.c[name] for name in Cell._fields])
    .where(tasks.c.end_time < BEFORE)
    .order_by(tasks.c.end_time, tasks.c.arrival)
    .limit(MOST),
    skip=True,
)
_PURGEABLE = sa.select(sa.func.count()).select_from(
    sa.select(tasks.c.arrival).where(tasks.c.end_time < BEFORE).limit(MOST).subquery()
)
_DONE = locked(
    sa.select(batches.c.batch_id)
    .where(batches.c.ended_at < BEFORE)
    .order_by(batches.c.ended_at)
    .limit(MOST),
    skip=True,
)
_EXPIRED = locked(sa.select(keys.c.key).where(keys.c.expires_at <= NOW).limit(MOST), skip=True)
_OVER = locked(sa.select(tasks.c.task_id).where(tasks.c.result_until <= NOW).limit(MOST), skip=True)
_FORGET = (
    sa.update(tasks)
    .where(tasks.c.task_id == OF)
    .values(result=None, result_until=None, result_missing=EXPIRED)
)
_ADDED = locked(sa.select(deltas).order_by(deltas.c.number).limit(MOST), skip=True)
_OUTDATED = locked(
    sa.select(sums.c.number).where(sums.c.grain == OF, sums.c.second < BEFORE).limit(MOST),
    skip=True,
)
_CELL = "queue", "func_name", "status", "bin"
_AMOUNTS = "rows", "ended", "seconds", "waited"
_SPAN = "grain", "second", *_CELL


class SqlUpkeep(OnStore, Operators):
    """Queue settings, the audit trail, retention."""

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._store.writing() as tx:
            stored = (await tx.sql.execute(_SETTINGS, {"of": queue})).scalar()
            merged = {**(stored or {}), **settings}
            if not is_kept(queue, merged):
                await drop(tx.sql, queues.c.queue, [queue])
            elif stored is None:
                await add(tx.sql, queues, [{"queue": queue, "settings": merged}])
            else:
                await tx.sql.execute(_SET, {"of": queue, "to": merged})
            tx.hints.add("settings")
        return merged

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        if entries:
            async with self._store.writing() as tx:
                # One writer after the other: the newest entry is read once that is sure to stay.
                await enter(tx, ["audit"])
                recent = await find(tx.sql, _RECENT)
                last = recent[0]["hash"] if recent else ""
                new = linked(last, {one["entry_id"] for one in recent}, entries)
                rows = [{name: getattr(entry, name) for name in _ENTRY} for entry in new]
                await add(tx.sql, audit, rows)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = _LAST if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            found = await find(sql, _AUDIT, before=before, most=limit + 1)
        page = [AuditEntry(*[one[name] for name in _ENTRY]) for one in found[:limit]]
        return page, str(found[limit - 1]["number"]) if len(found) > limit else None

    async def purgeable(self, before: datetime, *, cap: int = 10_000) -> int:
        clock = self._store.clock
        before += clock.lead(clock.now())
        async with self._store.reading() as sql:
            found = await sql.execute(_PURGEABLE, {"before": before, "most": cap})
        return found.scalar_one()

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        async with self._store.writing() as tx:
            gone = () if before is None else await _purge_tasks(tx, before, limit)
            expired = await find(tx.sql, _EXPIRED, now=tx.now, most=limit)
            await drop(tx.sql, keys.c.key, [one["key"] for one in expired])
            results = await _expire_results(tx, limit)
            done = 0 if before is None else await _purge_batches(tx, before, limit)
            return Purged(gone, len(expired), await self._fold(tx, limit), results, done)

    async def _fold(self, tx: Writing, limit: int) -> int:
        """Sum up what was added, and drop what is too old; how many rows that were."""
        found = await find(tx.sql, _ADDED, most=limit)
        summed = _summed(found)
        if summed:
            add_up = self._store.database.adding(sums, [*_SPAN], [*_AMOUNTS])
            await tx.sql.execute(add_up, summed)
            await drop(tx.sql, deltas.c.number, [one["number"] for one in found])
        touched = len(found)
        for grain in Grain:
            before = oldest_kept(grain, to_micros(tx.now) // _MICROS_PER_SECOND)
            if before is not None and touched < limit:
                old = await find(tx.sql, _OUTDATED, of=grain, before=before, most=limit - touched)
                await drop(tx.sql, sums.c.number, [one["number"] for one in old])
                touched += len(old)
        return touched + await fold_failures(tx, limit - touched)


async def _purge_tasks(tx: Writing, before: datetime, limit: int) -> tuple[str, ...]:
    plan = Plan(tx.now)
    for one in await find(tx.sql, _OLD, before=before + tx.lead, most=limit):
        plan.delete(one["task_id"], Cell(*[one[name] for name in Cell._fields]))
    await apply(tx, plan)
    return tuple(plan.deleted)


async def _purge_batches(tx: Writing, before: datetime, limit: int) -> int:
    found = await find(tx.sql, _DONE, before=before + tx.lead, most=limit)
    gone = [one["batch_id"] for one in found]
    await drop(tx.sql, batches.c.batch_id, gone)
    await drop(tx.sql, calls.c.batch_id, gone)
    return len(gone)


async def _expire_results(tx: Writing, limit: int) -> int:
    found = await find(tx.sql, _OVER, now=tx.now, most=limit)
    if found:
        await tx.sql.execute(_FORGET, [{"of": one["task_id"]} for one in found])
    return len(found)


def _summed(found: Sequence[Found]) -> list[dict[str, Any]]:
    """What is added to each sum; in one order everywhere, because each is locked."""
    summed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in found:
        cell = {name: one[name] for name in _CELL}
        for grain, start in spans(one["second"]).items():
            # Where a task is now has no time.
            if one["ended"] or one["waited"] or grain is Grain.EVER:
                row = {"grain": grain, "second": start, **cell}
                kept = summed.setdefault(tuple(map(str, row.values())), row)
                kept |= {name: kept.get(name, 0) + one[name] for name in _AMOUNTS}
    return [summed[key] for key in sorted(summed)]
