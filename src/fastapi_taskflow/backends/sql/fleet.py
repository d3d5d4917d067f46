"""The instances that share a store, and who takes over from the dead."""

from __future__ import annotations

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, true, update

from fastapi_taskflow.backends.base import Claimed, InstanceInfo, Peer, Signals
from fastapi_taskflow.backends.base.fleet import Fleet
from fastapi_taskflow.backends.rules import moves
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.applying import apply
from fastapi_taskflow.backends.sql.changing import claimed
from fastapi_taskflow.backends.sql.rowreading import WHOLE, read_row
from fastapi_taskflow.backends.sql.selecting import OF
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import instances, queues, tasks

__all__ = ["SqlFleet"]

_ITS_ROW = instances.c.instance_id == OF
_ENLISTED = select(instances.c.counter).where(_ITS_ROW).with_for_update(key_share=True)
_ENLIST = insert(instances)
_REMOVE = delete(instances).where(_ITS_ROW)
_DECLARE = update(instances).where(_ITS_ROW).values(alive=False)
_BEAT = (
    update(instances)
    .where(_ITS_ROW, instances.c.alive == true())
    .values(counter=instances.c.counter + 1, lag=bindparam("late"))
)
_PEERS = select(instances).order_by(instances.c.instance_id)
_QUEUES = select(queues)
_HOLDS = select(func.count()).select_from(tasks).where(tasks.c.owner == OF)
_OWNED = select(*WHOLE).where(tasks.c.owner == OF)
_ASKED = select(tasks.c.task_id).where(tasks.c.owner == OF, tasks.c.cancel_asked == true())


class SqlFleet(OnStore, Fleet):
    """Who is alive."""

    async def enlist(self, info: InstanceInfo) -> None:
        async with self._store.writing() as tx:
            of = {"of": info.instance_id}
            counter = (await tx.sql.execute(_ENLISTED, of)).scalar() or 0
            await tx.sql.execute(_REMOVE, of)
            values = {name: getattr(info, name) for name in InstanceInfo.__dataclass_fields__}
            await tx.sql.execute(_ENLIST, values | {"counter": counter, "lag": 0.0, "alive": True})
            await self._store.note_time(tx)

    async def beat(self, instance: str, lag: float) -> bool:
        async with self._store.beating() as tx:
            alive = await loading.is_alive(tx, instance)
            if alive:
                await tx.sql.execute(_BEAT, {"of": instance, "late": lag})
                await self._store.note_time(tx)
        return alive

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        async with self._store.writing() as tx:
            alive = await loading.is_alive(tx, by)
            if not moves.may_recover(by, dead, alive=alive):
                return []
            rows = await loading.owned(tx, dead, limit)
            plan = Plan(tx.now)
            for row in rows:
                moves.hand_over(plan, row, by)
            await apply(tx, plan)
            await self._leave(tx, dead, holds=len(rows) == limit)
            return await claimed(tx.sql, rows)

    async def _leave(self, tx: Writing, instance: str, *, holds: bool) -> None:
        await tx.sql.execute(_DECLARE if holds else _REMOVE, {"of": instance})

    async def owned(self, instance: str) -> list[Claimed]:
        async with self._store.reading() as sql:
            found = await sql.execute(_OWNED, {"of": instance})
            rows = [read_row(one) for one in found.mappings()]
            return await claimed(sql, rows)

    async def retire(self, instance: str) -> None:
        async with self._store.writing() as tx:
            holds = (await tx.sql.execute(_HOLDS, {"of": instance})).scalar_one()
            await self._leave(tx, instance, holds=holds > 0)

    async def signals(self, instance: str) -> Signals:
        async with self._store.reading() as sql:
            asked = (await sql.execute(_ASKED, {"of": instance})).scalars()
            found = (await sql.execute(_QUEUES)).mappings()
            peers = (await sql.execute(_PEERS)).mappings()
            return Signals(
                cancel=tuple(asked),
                queues={one["queue"]: one["settings"] for one in found},
                peers=tuple([_peer(one) for one in peers]),
            )


def _peer(found: RowMapping) -> Peer:
    info = InstanceInfo(
        instance_id=found["instance_id"],
        host=found["host"],
        pid=found["pid"],
        started_at=found["started_at"],
        roles=frozenset(found["roles"]),
        ttl=found["ttl"],
        functions=frozenset(found["functions"]),
    )
    return Peer(info, found["counter"], found["lag"])
