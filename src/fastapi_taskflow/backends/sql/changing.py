"""The verbs that change tasks: load, decide, apply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends import base, storable
from fastapi_taskflow.backends.base.tasks import Tasks
from fastapi_taskflow.backends.rules import accepting, moves
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.claiming import Room, choose, looks
from fastapi_taskflow.backends.rules.mirroring import mirror
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.loading import with_lines
from fastapi_taskflow.backends.sql.store import OnStore, Writing

__all__ = ["SqlTasks", "claimed"]


class SqlTasks(OnStore, Tasks):
    """From acceptance to the end."""

    async def insert(
        self,
        groups: Sequence[Sequence[base.NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[base.Admission]:
        storable.check_groups(groups)
        if not groups:
            return []
        limits = limits or {}
        async with self._store.writing() as tx:
            facts, unstored = await loading.facts(tx, groups, limits)
            desk, plan = Desk(facts, limits), Plan(tx.now)
            answers = [desk.judge(group) for group in groups]
            accepting.write(plan, desk.draft, lead=tx.lead, key_ttl=key_ttl, unstored=unstored)
            await apply(tx, plan)
        return answers

    async def claim(self, request: base.ClaimRequest) -> list[base.Claimed]:
        async with self._store.writing() as tx:
            if not await loading.is_alive(tx, request.instance):
                return []
            rows = await loading.claimed(tx, request.claim_id) or await _claim(tx, request)
            return await claimed(tx.sql, rows)

    async def start(self, leases: Sequence[base.Lease]) -> list[datetime | None]:
        async with self._planned([lease.task_id for lease in leases]) as (rows, plan):
            return [moves.start(plan, rows, lease) for lease in leases]

    async def finish(self, outcomes: Sequence[base.Outcome]) -> list[base.Settled | None]:
        storable.check_outcomes(outcomes)
        if not outcomes:
            return []
        async with self._store.writing() as tx:
            rows = await loading.load(tx, [one.lease.task_id for one in outcomes])
            history = await loading.history(tx, moves.overtaken(rows, outcomes))
            plan = Plan(tx.now)
            settled = [moves.finish(plan, rows, history, one) for one in outcomes]
            await apply(tx, plan)
        return settled

    async def cancel(self, task_ids: Sequence[str]) -> list[base.CancelAnswer]:
        async with self._planned(task_ids, aliases=True) as (rows, plan):
            return [moves.cancel(plan, rows.get(task_id)) for task_id in task_ids]

    async def mirror(
        self, instance: str, snapshots: Sequence[base.Snapshot]
    ) -> list[base.MirrorAnswer]:
        storable.check_snapshots(snapshots)
        async with self._planned([one.task.task_id for one in snapshots]) as (rows, plan):
            return [mirror(plan, rows, instance, one) for one in snapshots]

    async def append_logs(self, chunks: Sequence[base.LogChunk]) -> None:
        storable.check_chunks(chunks)
        async with self._planned([one.lease.task_id for one in chunks]) as (rows, plan):
            for one in chunks:
                moves.append_lines(plan, rows, one)

    @asynccontextmanager
    async def _planned(
        self, task_ids: Sequence[str], *, aliases: bool = False
    ) -> AsyncIterator[tuple[dict[str, Row], Plan]]:
        """The rows of some tasks, and a plan that is applied at the end."""
        if not task_ids:
            yield {}, Plan(self._store.clock.now())
            return
        async with self._store.writing() as tx:
            of = await loading.canonical(tx.sql, task_ids) if aliases else {}
            rows = await loading.load(tx, [of.get(one, one) for one in task_ids])
            rows |= {alias: rows[one] for alias, one in of.items() if one in rows}
            plan = Plan(tx.now)
            yield rows, plan
            await apply(tx, plan)


async def _claim(tx: Writing, request: base.ClaimRequest) -> list[Row]:
    room = Room(request, await loading.paused(tx.sql, request.queues))
    found = await loading.candidates(tx, looks(request, room), request.functions)
    rows, plan = choose(room, found), Plan(tx.now)
    for row in rows:
        moves.take(plan, row, request)
    await apply(tx, plan)
    return rows


async def claimed(sql: AsyncConnection, rows: Iterable[Row]) -> list[base.Claimed]:
    """What whoever holds these tasks now is told of them."""
    found = (await with_lines(sql, rows)).values()
    return [base.Claimed(base.Lease(one.record.task_id, one.fence), one) for one in found]
