"""Batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import sqlalchemy as sa

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import Admission
from fastapi_taskflow.backends.base import batches as port
from fastapi_taskflow.backends.rules import accepting
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.batching import begin
from fastapi_taskflow.backends.rules.batchrows import shown
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.batchrows import batch_row, follow_batches
from fastapi_taskflow.backends.sql.statements import BEFORE, IDS, MOST, Found, find, pick
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.backends.sql.tables import batches, calls, tasks
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["SqlBatches"]

_LAST = 2**62
_RUNNING = (
    sa.select(sa.func.count())
    .where(tasks.c.batch_id == batches.c.batch_id, tasks.c.status == TaskStatus.RUNNING)
    .where(tasks.c.batch_place.is_not(None))
    .scalar_subquery()
    .label("running")
)
_SHOWN = sa.select(batches, _RUNNING)
_FIND = _SHOWN.where(batches.c.batch_id.in_(IDS))
_PAGE = _SHOWN.where(batches.c.number < BEFORE).order_by(batches.c.number.desc()).limit(MOST)
_HELD = (
    sa.select(calls)
    .where(calls.c.task_id > sa.bindparam("after"), calls.c.payload.is_not(None))
    .order_by(calls.c.task_id)
    .limit(MOST)
)


class SqlBatches(OnStore, port.Batches):
    """Shared by all instances on the store."""

    async def add(
        self,
        batches: Sequence[port.NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        storable.check_batches(batches)
        if not batches:
            return []
        limits, groups = limits or {}, [one.tasks for one in batches]
        async with self._store.writing() as tx:
            facts, rows, unstored = await loading.facts(tx, groups, limits)
            ids = [one.batch_id for one in batches]
            known = {one["batch_id"] for one in await loading.lock_batches(tx.sql, ids)}
            desk, plan = Desk(facts, limits, tx.now), Plan(tx.now)
            answers = [desk.judge(group) for group in groups]
            accepting.write(
                plan, desk.draft, rows, lead=tx.lead, key_ttl=key_ttl, unstored=unstored
            )
            begun = [
                begin(new, answer)
                for new, answer in zip(batches, answers, strict=True)
                if new.batch_id not in known
            ]
            fresh = {one.batch_id: one for one in begun if one is not None}
            await follow_batches(tx, plan, fresh)
            await apply(tx, plan)
        return answers

    async def find(self, batch_ids: Sequence[str]) -> list[port.StoredBatch | None]:
        async with self._store.reading() as sql:
            found = {one["batch_id"]: _shown(one) for one in await pick(sql, _FIND, batch_ids)}
        return [found.get(one) for one in batch_ids]

    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[port.StoredBatch], str | None]:
        before = _LAST if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            found = await find(sql, _PAGE, before=before, most=limit + 1)
        more = str(found[limit - 1]["number"]) if len(found) > limit else None
        return [_shown(one) for one in found[:limit]], more

    async def held(self, *, limit: int, after: str = "") -> list[port.HeldCall]:
        async with self._store.reading() as sql:
            rows = await find(sql, _HELD, after=after, most=limit)
        found: list[port.HeldCall] = []
        for one in rows:
            with suppress(ValueError):
                kind = port.Callback(one["kind"])
                call = port.HeldCall(one["batch_id"], kind, one["task_id"], one["payload"])
                found.append(call)
        return found

    async def reseal(self, changes: Sequence[tuple[port.HeldCall, bytes]]) -> list[bool]:
        answers: list[bool] = []
        if not changes:
            return answers
        async with self._store.writing() as tx:
            for one, new in changes:
                mine = calls.c.task_id == one.task_id
                stored = await tx.sql.scalar(
                    sa.select(calls.c.payload).where(mine).with_for_update()
                )
                answers.append(stored == one.payload)
                if answers[-1]:
                    await tx.sql.execute(sa.update(calls).where(mine).values(payload=new))
        return answers


def _shown(found: Found) -> port.StoredBatch:
    return shown(batch_row(found), found["running"])
