"""The instances that share a store, and who takes over from the dead."""

from __future__ import annotations

import sqlalchemy as sa

from fastapi_taskflow.backends.base import Claimed, InstanceInfo, Peer, Signals
from fastapi_taskflow.backends.base.fleet import Fleet
from fastapi_taskflow.backends.rules import moves
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import read
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.changing import claimed
from fastapi_taskflow.backends.sql.loading import WHOLE
from fastapi_taskflow.backends.sql.statements import IDS, OF, add, drop, find, locked, pick
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import beats, instances, queues, tasks

__all__ = ["SqlFleet"]

_STATE = "lag", "running", "draining"
_INFO = list(InstanceInfo.__dataclass_fields__)
_ITS_ROW = instances.c.instance_id == OF
_ALIVE = sa.select(instances.c.alive).where(_ITS_ROW)
_ROWS = locked(
    sa.select(instances.c.instance_id)
    .where(instances.c.instance_id.in_(IDS))
    .order_by(instances.c.instance_id)
)
_DECLARE = sa.update(instances).where(_ITS_ROW).values(alive=False)
_COUNTER = sa.select(beats.c.counter).where(beats.c.instance_id == OF)
_BEAT = (
    sa.update(beats)
    .where(beats.c.instance_id == OF)
    .values(
        counter=beats.c.counter + 1,
        lag=sa.bindparam("its_lag"),
        running=sa.bindparam("its_running"),
        draining=sa.bindparam("is_draining"),
    )
)
_PEERS = (
    sa.select(instances, beats.c.counter, *[beats.c[name] for name in _STATE])
    .join(beats, beats.c.instance_id == instances.c.instance_id)
    .order_by(instances.c.instance_id)
)
_QUEUES = sa.select(queues)
_HOLDS = sa.select(sa.func.count()).select_from(tasks).where(tasks.c.owner == OF)
_OWNED = sa.select(*WHOLE).where(tasks.c.owner == OF)
_ASKED = sa.select(tasks.c.task_id).where(tasks.c.owner == OF, tasks.c.cancel_asked == sa.true())


class SqlFleet(OnStore, Fleet):
    """Who is alive."""

    async def enlist(self, info: InstanceInfo) -> None:
        async with self._store.writing() as tx:
            mine = info.instance_id
            await pick(tx.sql, _ROWS, [mine])
            counter = (await tx.sql.execute(_COUNTER, {"of": mine})).scalar() or 0
            row = {name: getattr(info, name) for name in _INFO}
            await drop(tx.sql, instances.c.instance_id, [mine])
            await add(tx.sql, instances, [row | {"alive": True}])
            await drop(tx.sql, beats.c.instance_id, [mine])
            await add(tx.sql, beats, [{"instance_id": mine, "counter": counter, "lag": 0.0}])
            await self._store.note_time(tx)

    async def beat(
        self, instance: str, lag: float, *, running: int = 0, draining: bool = False
    ) -> bool:
        state = {"its_lag": lag, "its_running": running, "is_draining": draining}
        async with self._store.beating() as tx:
            # It waits for no lock on its row: claims have some.
            alive = bool((await tx.sql.execute(_ALIVE, {"of": instance})).scalar())
            if alive:
                await tx.sql.execute(_BEAT, {"of": instance, **state})
                await self._store.note_time(tx)
        return alive

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        async with self._store.writing() as tx:
            # The dead one may only be stopped, and hold locks on what it was at.
            await self._store.database.cut_off(tx.sql, self._store.prefix)
            alive = await _lock_both(tx, by, dead)
            if not moves.may_recover(by, dead, alive=alive):
                return []
            rows = await loading.owned(tx, dead, limit)
            plan = Plan(tx.now)
            for row in rows:
                moves.hand_over(plan, row, by)
            await apply(tx, plan)
            await _leave(tx, dead, holds=len(rows) == limit)
            return await claimed(tx.sql, rows)

    async def owned(self, instance: str) -> list[Claimed]:
        async with self._store.reading() as sql:
            rows = [read(one) for one in await find(sql, _OWNED, of=instance)]
            return await claimed(sql, rows)

    async def retire(self, instance: str) -> None:
        async with self._store.writing() as tx:
            await pick(tx.sql, _ROWS, [instance])
            holds = (await tx.sql.execute(_HOLDS, {"of": instance})).scalar_one()
            await _leave(tx, instance, holds=holds > 0)

    async def signals(self, instance: str) -> Signals:
        async with self._store.reading() as sql:
            peers = [
                Peer(
                    InstanceInfo(**{name: one[name] for name in _INFO}),
                    one["counter"],
                    one["lag"],
                    running=one["running"] or 0,
                    draining=bool(one["draining"]),
                )
                for one in await find(sql, _PEERS)
            ]
            asked = (await sql.execute(_ASKED, {"of": instance})).scalars().all()
            settings = {one["queue"]: one["settings"] for one in await find(sql, _QUEUES)}
        return Signals(cancel=tuple(asked), queues=settings, peers=tuple(peers))


async def _lock_both(tx: Writing, by: str, dead: str) -> bool:
    """Lock two instances in the order of all; whether the first is alive, and stays so.

    Its row is shared: what it accepts and claims does not wait until the dead one's is free.
    """
    alive = False
    for one in sorted({by, dead}):
        if one == by:
            alive = await loading.is_alive(tx, by)
        else:
            await pick(tx.sql, _ROWS, [dead])
    return alive


async def _leave(tx: Writing, instance: str, *, holds: bool) -> None:
    """Not alive any more; its row stays while tasks are its own."""
    if holds:
        await tx.sql.execute(_DECLARE, {"of": instance})
    else:
        await drop(tx.sql, instances.c.instance_id, [instance])
        await drop(tx.sql, beats.c.instance_id, [instance])
