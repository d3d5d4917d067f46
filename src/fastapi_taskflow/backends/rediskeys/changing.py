"""The verbs that change tasks: load, decide, apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from fastapi_taskflow.backends import base, storable
from fastapi_taskflow.backends.base.tasks import Tasks
from fastapi_taskflow.backends.rediskeys import loading
from fastapi_taskflow.backends.rediskeys.allowing import allowed, learn, spend
from fastapi_taskflow.backends.rediskeys.applying import apply
from fastapi_taskflow.backends.rediskeys.rows import WHOLE
from fastapi_taskflow.backends.rediskeys.unit import OnStore, Unit
from fastapi_taskflow.backends.rules import accepting, moves
from fastapi_taskflow.backends.rules.admission import Desk
from fastapi_taskflow.backends.rules.claiming import Room, choose, in_turn, is_suspect, looks
from fastapi_taskflow.backends.rules.mirroring import mirror
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.tries import Collided
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["RedisTasks", "admit"]

# Until then most of them had no token: the next claim looks on.
_MOST_LOOKS = 20


async def admit(
    unit: Unit,
    plan: Plan,
    groups: Sequence[Sequence[base.NewTask]],
    limits: Mapping[str, int],
    key_ttl: float,
) -> list[base.Admission]:
    """Decide about new tasks, and plan to write them."""
    refusal = unit.store.refusal
    if refusal is not None and any(task.persist for group in groups for task in group):
        raise ConfigurationError(refusal)
    facts, unstored = await loading.facts(unit, groups, limits)
    desk = Desk(facts, limits, unit.now)
    answers = [desk.judge(group) for group in groups]
    accepting.write(plan, desk.draft, unit.rows, lead=unit.lead, key_ttl=key_ttl, unstored=unstored)
    full = {one.queue for one in answers if isinstance(one, base.QueueIsFull)}
    for queue, added in plan.waiting.items():
        # One that only lost tasks may have more than its limit, which was larger.
        if added > 0 and queue in limits and queue not in full:
            unit.bound("waiting", queue, limits[queue] - added)
    return answers


class RedisTasks(OnStore, Tasks):
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
        try:
            # Nearly all are: that is asked while they are written.
            return await self._insert(groups, limits or {}, key_ttl, all_new=True)
        except Collided:
            return await self._insert(groups, limits or {}, key_ttl, all_new=False)

    async def _insert(
        self,
        groups: Sequence[Sequence[base.NewTask]],
        limits: Mapping[str, int],
        key_ttl: float,
        *,
        all_new: bool,
    ) -> list[base.Admission]:
        unit = await self._unit()
        if all_new:
            unit.assume_new(task.task_id for group in groups for task in group)
        plan = Plan(unit.now)
        answers = await admit(unit, plan, groups, limits, key_ttl)
        await apply(unit, plan)
        return answers

    async def claim(self, request: base.ClaimRequest) -> list[base.Claimed]:
        unit = await self._unit()
        key = self._store.key
        wanted = ("ZRANGE", key(f"claim:{request.claim_id}"), 0, -1), ("HGETALL", key("queues"))
        held, settings = await unit.load((), {"instances": [request.instance]}, beside=wanted)
        if not loading.alive(unit, request.instance):
            return []
        await unit.load(loading.texts(held), fields=WHOLE)
        rows = [one for one in unit.rows.values() if one.claim_id == request.claim_id]
        if not rows:
            rows = await _claim(unit, request, loading.pauses(settings))
        return await loading.claimed(self._store, in_turn(rows, request.ageing, unit.now))

    async def start(self, leases: Sequence[base.Lease]) -> list[datetime | None]:
        unit, plan = await self._loaded([lease.task_id for lease in leases], recalls=True)
        started = [moves.start(plan, unit.rows, lease) for lease in leases]
        await apply(unit, plan)
        return started

    async def finish(self, outcomes: Sequence[base.Outcome]) -> list[base.Settled | None]:
        storable.check_outcomes(outcomes)
        ids = [one.lease.task_id for one in outcomes]
        unit, plan = await self._loaded(ids, recalls=True)
        history = await loading.history(unit, moves.overtaken(unit.rows, outcomes))
        settled = [moves.finish(plan, unit.rows, history, one) for one in outcomes]
        await apply(unit, plan)
        return settled

    async def cancel(self, task_ids: Sequence[str]) -> list[base.CancelAnswer]:
        unit, plan = await self._loaded([])
        of = await loading.canonical(unit, task_ids)
        answers = [moves.cancel(plan, unit.rows.get(of.get(one, one))) for one in task_ids]
        await apply(unit, plan)
        return answers

    async def mirror(
        self, instance: str, snapshots: Sequence[base.Snapshot]
    ) -> list[base.MirrorAnswer]:
        storable.check_snapshots(snapshots)
        unit, plan = await self._loaded([one.task.task_id for one in snapshots])
        answers = [mirror(plan, unit.rows, instance, one) for one in snapshots]
        await apply(unit, plan)
        return answers

    async def append_logs(self, chunks: Sequence[base.LogChunk]) -> None:
        storable.check_chunks(chunks)
        unit, plan = await self._loaded([one.lease.task_id for one in chunks])
        for one in chunks:
            moves.append_lines(plan, unit.rows, one)
        await apply(unit, plan)

    async def _loaded(self, task_ids: Sequence[str], *, recalls: bool = False) -> tuple[Unit, Plan]:
        """Tasks, and a plan that has to be applied (``recalls``: even if it is empty)."""
        unit = await self._unit()
        if recalls:
            unit.recall(task_ids)
        await unit.load(task_ids)
        return unit, Plan(unit.now)


async def _claim(
    unit: Unit, request: base.ClaimRequest, pauses: Pauses, looks_left: int = _MOST_LOOKS
) -> list[Row]:
    """Take what is free."""
    await unit.load((), {"instances": [request.instance]})
    if pauses.functions:
        request = request._replace(functions=request.functions - pauses.functions)
    allowance = None if request.limits is None else await allowed(unit, request.limits)
    room = Room(request, pauses.queues, allowance)
    wanted = looks(request, room)
    # Of two who ask under limits one begins again anyway.
    offered = request.limit if allowance is None else 0
    found = await loading.candidates(unit, wanted, pauses, offered=offered) if wanted else []
    if allowance is not None and allowance.rates_keys:
        await learn(unit, allowance, found)
    rows, plan = choose(room, found, unit.now), Plan(unit.now)
    for row in rows:
        moves.take(plan, row, request)
    late = room.take_postponed()
    for row, due_at in late:
        plan.change(row, due_at=due_at)
    if not plan.changed and not (offered and found):
        return []
    unit.disregard(row for row in found if row.task_id not in plan.changed)
    # Others look again for what they were not shown.
    unit.tells = len(rows) < min(offered, len(found))
    if allowance is not None:
        await spend(unit, allowance, rows)
    await _take(unit, plan, found if offered else ())
    # There may be others behind those that were put off.
    if late and looks_left and not room.full():
        rows += await _claim(
            Unit(unit.store, unit.now, unit.lead), _less(request, rows), pauses, looks_left - 1
        )
    return rows


async def _take(unit: Unit, plan: Plan, offered: Sequence[Row]) -> None:
    """Write it; whatever comes of that, others find again what was offered here."""
    ids = [one.task_id for one in offered]
    if ids:
        unit.remove("offered", *ids)
    try:
        await apply(unit, plan)
    except Collided:
        if ids:
            await unit.store.read(("ZREM", unit.store.key("offered"), *ids))
        raise


def _less(request: base.ClaimRequest, taken: Sequence[Row]) -> base.ClaimRequest:
    """What is left to claim."""
    queues = Counter(row.queue for row in taken)
    suspects = sum(is_suspect(row.interruptions) for row in taken)
    return request._replace(
        queues={name: number - queues[name] for name, number in request.queues.items()},
        limit=request.limit - len(taken),
        suspects=request.suspects - suspects,
    )
