"""Schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import Admission
from fastapi_taskflow.backends.base import schedules as port
from fastapi_taskflow.backends.rules import accepting
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.scheduling import answers, groups_of, heard
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.batchrows import follow_batches
from fastapi_taskflow.backends.sql.statements import IDS, MOST, Found, add, drop, find, locked, pick
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.backends.sql.tables import schedules

__all__ = ["SqlSchedules"]

_COLUMNS = [column.name for column in schedules.c]
_NAME, _NEXT_AT = schedules.c.name, schedules.c.next_at
# One more than are read, so that the next date is in the same state of the store.
_SOON = sa.select(schedules).where(_NEXT_AT.is_not(None)).order_by(_NEXT_AT).limit(MOST)
_PAGE = sa.select(schedules).where(sa.bindparam("after") < _NAME).order_by(_NAME).limit(MOST)
_FIND = sa.select(schedules).where(_NAME.in_(IDS))
_VERSIONS = locked(sa.select(_NAME, schedules.c.version).where(_NAME.in_(IDS)).order_by(_NAME))


class SqlSchedules(OnStore, port.Schedules):
    """Shared by all instances on the store."""

    async def due(self, *, limit: int) -> port.DueSchedules:
        now = self._store.clock.now()
        async with self._store.reading() as sql:
            soon = [_schedule(one) for one in await find(sql, _SOON, most=limit + 1)]
        found = [one for one in soon[:limit] if one.next_at is not None and one.next_at <= now]
        rest = soon[len(found) :]
        wait = (rest[0].next_at - now).total_seconds() if rest and rest[0].next_at else None
        return port.DueSchedules(now, wait, found)

    async def find(self, names: Sequence[str]) -> list[port.StoredSchedule | None]:
        async with self._store.reading() as sql:
            found = {one["name"]: _schedule(one) for one in await pick(sql, _FIND, names)}
        return [found.get(name) for name in names]

    async def page(self, *, limit: int, after: str = "") -> list[port.StoredSchedule]:
        async with self._store.reading() as sql:
            return [_schedule(one) for one in await find(sql, _PAGE, after=after, most=limit)]

    async def change(
        self,
        changes: Sequence[port.ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        storable.check_groups([one.tasks for one in changes])
        if not changes:
            return []
        limits = limits or {}
        async with self._store.writing() as tx:
            # Tasks and keys are locked first, those of changes that are not heard too.
            groups = groups_of(changes, [True] * len(changes))
            facts, loaded, unstored = await loading.facts(tx, groups, limits)
            found = await pick(tx.sql, _VERSIONS, [one.name for one in changes])
            known = {one["name"]: one["version"] for one in found}
            fits = heard(known, changes)
            desk, plan = Desk(facts, limits, tx.now), Plan(tx.now)
            admitted = [desk.judge(group) for group in groups_of(changes, fits)]
            accepting.write(
                plan, desk.draft, loaded, lead=tx.lead, key_ttl=key_ttl, unstored=unstored
            )
            await follow_batches(tx, plan)
            await apply(tx, plan)
            kept = {one.name: one.schedule for one, ok in zip(changes, fits, strict=True) if ok}
            # Not what somebody made meanwhile: on that the insert fails, and all is tried again.
            await drop(tx.sql, _NAME, kept.keys() & known.keys())
            rows = [_values(one) for one in kept.values() if one is not None]
            await add(tx.sql, schedules, rows)
        return answers(changes, fits, admitted)


def _values(one: port.StoredSchedule) -> dict[str, object]:
    return {name: getattr(one, name) for name in _COLUMNS}


def _schedule(row: Found) -> port.StoredSchedule:
    return port.StoredSchedule(**{name: row[name] for name in _COLUMNS})
