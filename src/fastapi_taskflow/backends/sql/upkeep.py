"""What people do to a store, and its upkeep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from fastapi_taskflow.backends.base import Purged
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.plan import Cell, Plan
from fastapi_taskflow.backends.sql.applying import apply, delete_keys
from fastapi_taskflow.backends.sql.rollups import fold
from fastapi_taskflow.backends.sql.selecting import OF
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import audit, keys, queues, tasks
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["SqlUpkeep"]

_ENTRY = [audit.c[name] for name in AuditEntry.__dataclass_fields__]
_AUDIT = (
    select(*_ENTRY, audit.c.number)
    .where(audit.c.number < bindparam("before"))
    .order_by(audit.c.number.desc())
    .limit(bindparam("most"))
)
_NOTE = insert(audit)
_LAST_NUMBER = 2**63 - 1
_SETTINGS = select(queues.c.settings).where(queues.c.queue == OF).with_for_update(key_share=True)
_FORGET = delete(queues).where(queues.c.queue == OF)
_SET = insert(queues)
_OLD = (
    select(tasks.c.task_id, tasks.c.queue, tasks.c.func_name, tasks.c.status)
    .where(tasks.c.end_time < bindparam("before"))
    .order_by(tasks.c.end_time, tasks.c.arrival)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_EXPIRED = (
    select(keys.c.key)
    .where(keys.c.expires_at <= bindparam("now"))
    .order_by(keys.c.expires_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


class SqlUpkeep(OnStore, Operators):
    """Queue settings, the audit trail, retention."""

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._store.writing() as tx:
            stored = (await tx.sql.execute(_SETTINGS, {"of": queue})).scalar() or {}
            merged = {**stored, **settings}
            await tx.sql.execute(_FORGET, {"of": queue})
            await tx.sql.execute(_SET, {"queue": queue, "settings": merged})
        return merged

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        if not entries:
            return
        names = AuditEntry.__dataclass_fields__
        async with self._store.writing() as tx:
            rows = [{name: getattr(entry, name) for name in names} for entry in entries]
            await tx.sql.execute(_NOTE, rows)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = _LAST_NUMBER if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            answer = await sql.execute(_AUDIT, {"before": before, "most": limit + 1})
            found = answer.all()
        page = [AuditEntry(*one[:-1]) for one in found[:limit]]
        return page, str(found[limit - 1].number) if len(found) > limit else None

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        async with self._store.writing() as tx:
            gone = () if before is None else await _purge_tasks(tx, before, limit)
            return Purged(gone, await _purge_keys(tx, limit), await fold(tx, limit))


async def _purge_tasks(tx: Writing, before: datetime, limit: int) -> tuple[str, ...]:
    values = {"before": before + tx.lead, "most": limit}
    plan = Plan(tx.now)
    for one in await tx.sql.execute(_OLD, values):
        plan.delete(one.task_id, Cell(one.queue, one.func_name, one.status))
    await apply(tx, plan)
    return tuple(plan.deleted)


async def _purge_keys(tx: Writing, limit: int) -> int:
    values = {"now": tx.now, "most": limit}
    found = (await tx.sql.execute(_EXPIRED, values)).scalars().all()
    await delete_keys(tx, found)
    return len(found)
