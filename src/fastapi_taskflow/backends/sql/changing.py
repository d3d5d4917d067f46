"""The verbs that change tasks: load, decide, apply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends import base, storable
from fastapi_taskflow.backends.base.tasks import Tasks
from fastapi_taskflow.backends.rules import accepting, moves
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.claiming import Room, are_new, choose, in_turn, looks
from fastapi_taskflow.backends.rules.facts import is_plain, nothing_known
from fastapi_taskflow.backends.rules.mirroring import mirror
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row, shown
from fastapi_taskflow.backends.sql import fused, loading, pausing, turns
from fastapi_taskflow.backends.sql.allowing import allowed, learn, spend
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.batchrows import follow_batches
from fastapi_taskflow.backends.sql.candidates import candidates
from fastapi_taskflow.backends.sql.loading import with_lines
from fastapi_taskflow.backends.sql.store import OnStore, Store, Writing
from fastapi_taskflow.backends.sql.taking import take

__all__ = ["SqlTasks", "claimed", "end"]

T = TypeVar("T")

# Until then most of them had no token: the next claim looks on.
_MOST_LOOKS = 20


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
        if (stored := await self._insert_plain(groups, limits)) is not None:
            return stored
        async with self._store.writing() as tx:
            facts, rows, unstored = await loading.facts(tx, groups, limits)
            desk, plan = Desk(facts, limits, tx.now), Plan(tx.now)
            answers = [desk.judge(group) for group in groups]
            accepting.write(
                plan, desk.draft, rows, lead=tx.lead, key_ttl=key_ttl, unstored=unstored
            )
            await follow_batches(tx, plan)
            await apply(tx, plan)
        return answers

    async def _insert_plain(
        self, groups: Sequence[Sequence[base.NewTask]], limits: Mapping[str, int]
    ) -> list[base.Admission] | None:
        """Tasks that concern no other; None: some do, or are there already."""
        store, tasks = self._store, [task for group in groups for task in group]
        plain = bool(tasks) and all(is_plain(task, limits) for task in tasks)
        if not plain or not store.database.fuses:
            return None
        owners = {task.owner for task in tasks if task.owner is not None}
        now, lead = await store.now()
        plan, desk = Plan(now), Desk(nothing_known(owners), limits, now)
        answers = [desk.judge(group) for group in groups]
        accepting.write(plan, desk.draft, {}, lead=lead, key_ttl=0.0, unstored=())
        if not await fused.insert(store, plan, owners):
            return None
        self._keep(plan.inserted.values())
        return answers

    async def claim(self, request: base.ClaimRequest) -> list[base.Claimed]:
        store = self._store
        rows = await take(store, request)
        if rows is not None and are_new(rows):
            answers = told(in_turn(rows, request.ageing, store.clock.now()))
            self._keep(rows)
            return answers
        async with store.writing() as tx:
            if not await loading.is_alive(tx, request.instance):
                return []
            rows = await loading.claimed(tx, request.claim_id) or await _claim(tx, request)
            answers = await claimed(tx.sql, in_turn(rows, request.ageing, tx.now))
        self._keep(rows)
        return answers

    async def start(self, leases: Sequence[base.Lease]) -> list[datetime | None]:
        def started(plan: Plan, rows: Mapping[str, Row]) -> list[datetime | None]:
            return [moves.start(plan, rows, lease) for lease in leases]

        task_ids = [lease.task_id for lease in leases]
        if (answers := await self._as_held(task_ids, started)) is not None:
            return answers
        async with self._planned(task_ids) as (rows, plan):
            return started(plan, rows)

    async def finish(self, outcomes: Sequence[base.Outcome]) -> list[base.Settled | None]:
        storable.check_outcomes(outcomes)
        if not outcomes:
            return []

        def ended(plan: Plan, rows: Mapping[str, Row]) -> list[base.Settled | None]:
            return [moves.finish(plan, rows, {}, one) for one in outcomes]

        answers = await self._as_held([one.lease.task_id for one in outcomes], ended)
        if answers is not None:
            return answers
        async with self._store.writing() as tx:
            settled, _ = await end(tx, self._store, outcomes)
            return settled

    async def _as_held(
        self, task_ids: Sequence[str], decide: Callable[[Plan, dict[str, Row]], list[T]]
    ) -> list[T] | None:
        """What follows for tasks that are as this process left them; None: not all are."""
        store = self._store
        kept = {one: store.keeper.take(one) for one in dict.fromkeys(task_ids)}
        rows = {one: row for one, row in kept.items() if row is not None}
        if not rows or len(rows) < len(kept):
            return None
        before = fused.seen(rows)
        now, _ = await store.now()
        plan = Plan(now)
        answers = decide(plan, rows)
        if not await fused.update(store, plan, before):
            return None
        self._keep(rows.values())
        return answers

    def _keep(self, rows: Iterable[Row]) -> None:
        """These were written, and are committed."""
        for row in rows if self._store.database.fuses else ():
            # What is large decides nothing.
            row.payload = row.emitted = row.result = None
            self._store.keeper.keep(row, row)

    async def cancel(self, task_ids: Sequence[str]) -> list[base.CancelAnswer]:
        async with self._planned(task_ids, ends=True) as (rows, plan):
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
        self, task_ids: Sequence[str], *, ends: bool = False
    ) -> AsyncIterator[tuple[dict[str, Row], Plan]]:
        """The rows of some tasks, and a plan that is applied at the end.

        Args:
            ends: It may end them, and they may be named by aliases.
        """
        if not task_ids:
            yield {}, Plan(self._store.clock.now())
            return
        async with self._store.writing() as tx:
            of = await loading.canonical(tx.sql, task_ids) if ends else {}
            ids = [of.get(one, one) for one in task_ids]
            if ends:
                await turns.lock_of(tx, self._store, ids)
            rows = await loading.load(tx, ids)
            if ends:
                turns.check(tx, self._store, rows)
            rows |= {alias: rows[one] for alias, one in of.items() if one in rows}
            plan = Plan(tx.now)
            yield rows, plan
            await follow_batches(tx, plan)
            await apply(tx, plan)


async def end(
    tx: Writing, store: Store, outcomes: Sequence[base.Outcome]
) -> tuple[list[base.Settled | None], Plan]:
    """End claims, see `Tasks.finish`; and what that changed."""
    task_ids = [one.lease.task_id for one in outcomes]
    await turns.lock_of(tx, store, task_ids)
    rows = await loading.load(tx, task_ids)
    turns.check(tx, store, rows)
    history = await loading.history(tx, moves.overtaken(rows, outcomes))
    plan = Plan(tx.now)
    settled = [moves.finish(plan, rows, history, one) for one in outcomes]
    await follow_batches(tx, plan)
    await apply(tx, plan)
    return settled, plan


async def _claim(tx: Writing, request: base.ClaimRequest) -> list[Row]:
    allowance = None if request.limits is None else await allowed(tx, request.limits)
    pauses = await pausing.pauses(tx.sql)
    if pauses.functions:
        request = request._replace(functions=request.functions - pauses.functions)
    room = Room(request, pauses.queues, allowance)
    taken: list[Row] = []
    for _ in range(_MOST_LOOKS):
        found = await candidates(tx, looks(request, room), pauses)
        if allowance is not None and allowance.rates_keys:
            await learn(tx, allowance, found)
        rows, plan = choose(room, found, tx.now), Plan(tx.now)
        for row in rows:
            moves.take(plan, row, request)
        late = room.take_postponed()
        for row, due_at in late:
            plan.change(row, due_at=due_at)
        if allowance is not None:
            await spend(tx, allowance, rows)
        await apply(tx, plan)
        taken += rows
        # There may be others behind those that were put off.
        if not late or room.full():
            break
    return taken


async def claimed(sql: AsyncConnection, rows: Sequence[Row]) -> list[base.Claimed]:
    """What whoever holds these tasks now is told of them."""
    return told(rows) if are_new(rows) else _told((await with_lines(sql, rows)).values())


def told(rows: Iterable[Row]) -> list[base.Claimed]:
    """The same of tasks without lines."""
    return _told(map(shown, rows))


def _told(tasks: Iterable[base.StoredTask]) -> list[base.Claimed]:
    return [base.Claimed(base.Lease(one.record.task_id, one.fence), one) for one in tasks]
