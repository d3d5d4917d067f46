"""The verbs that change tasks: load, decide, apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import (
    Admission,
    CancelAnswer,
    Claimed,
    ClaimRequest,
    Lease,
    LogChunk,
    MirrorAnswer,
    NewTask,
    Outcome,
    Settled,
    Snapshot,
)
from fastapi_taskflow.backends.base.tasks import Tasks
from fastapi_taskflow.backends.rules import accepting, moves
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.claiming import Room, choose, looks, order
from fastapi_taskflow.backends.rules.mirroring import mirror
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row, shown
from fastapi_taskflow.backends.rules.settlement import is_late
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.rowreading import lines_of
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.storable import (
    check_chunks,
    check_groups,
    check_outcomes,
    check_snapshots,
)

__all__ = ["SqlTasks", "claimed"]


class SqlTasks(OnStore, Tasks):
    """From acceptance to the end."""

    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        if not groups:
            return []
        check_groups(groups)
        limits = limits or {}
        async with self._store.writing() as tx:
            facts, unstored = await loading.facts_of(tx, groups, limits)
            desk, plan = Desk(facts, limits), Plan(tx.now)
            answers = [desk.judge(group) for group in groups]
            accepting.write(plan, desk.draft, lead=tx.lead, key_ttl=key_ttl, unstored=unstored)
            await apply(tx, plan)
        return answers

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        async with self._store.writing() as tx:
            if not await loading.is_alive(tx, request.instance):
                return []
            rows = sorted(await loading.claimed(tx, request.claim_id), key=order)
            if not rows:
                rows = await self._claim(tx, request)
            return await claimed(tx.sql, rows)

    async def _claim(self, tx: Writing, request: ClaimRequest) -> list[Row]:
        room = Room(request, await loading.paused(tx.sql, request.queues))
        rows = choose(room, await loading.candidates(tx, looks(request, room), request.functions))
        plan = Plan(tx.now)
        for row in rows:
            moves.take(plan, row, request)
        await apply(tx, plan)
        return rows

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        if not leases:
            return []
        async with self._store.writing() as tx:
            rows = await loading.load(tx, [lease.task_id for lease in leases])
            plan = Plan(tx.now)
            started = [moves.start(plan, rows, lease) for lease in leases]
            await apply(tx, plan)
        return started

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        if not outcomes:
            return []
        check_outcomes(outcomes)
        async with self._store.writing() as tx:
            rows = await loading.load(tx, [one.lease.task_id for one in outcomes])
            late = [
                one.lease.task_id
                for one in outcomes
                if (row := rows.get(one.lease.task_id)) and is_late(row, one)
            ]
            history = await loading.history(tx, late)
            plan = Plan(tx.now)
            settled = [moves.finish(plan, rows, history, one) for one in outcomes]
            await apply(tx, plan)
        return settled

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        if not task_ids:
            return []
        async with self._store.writing() as tx:
            of = await loading.canonical(tx.sql, task_ids)
            named = [of.get(one, one) for one in task_ids]
            rows = await loading.load(tx, named)
            plan = Plan(tx.now)
            answers = [moves.cancel(plan, rows.get(one)) for one in named]
            await apply(tx, plan)
        return answers

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        if not snapshots:
            return []
        check_snapshots(snapshots)
        async with self._store.writing() as tx:
            rows = await loading.load(tx, [one.task.task_id for one in snapshots])
            plan = Plan(tx.now)
            answers = [mirror(plan, rows, instance, one) for one in snapshots]
            await apply(tx, plan)
        return answers

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        if not chunks:
            return
        check_chunks(chunks)
        async with self._store.writing() as tx:
            rows = await loading.load(tx, [one.lease.task_id for one in chunks])
            plan = Plan(tx.now)
            for one in chunks:
                moves.append_lines(plan, rows, one)
            await apply(tx, plan)


async def claimed(sql: AsyncConnection, rows: Iterable[Row]) -> list[Claimed]:
    """What whoever holds these tasks now is told of them."""
    rows = list(rows)
    lines = await lines_of(sql, [row.task_id for row in rows])
    return [
        Claimed(Lease(row.task_id, row.fence), shown(row, lines.get(row.task_id, ())))
        for row in rows
    ]
