"""Whose turn it is among the tasks of an order key.

Who adds a task to a key, or ends one of it, has locked the key's gate before: so the tasks of a
key come in the order of their numbers, and a turn is passed on once. A gate is deleted with the
last live task of its key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.rules.turns import gate_of
from fastapi_taskflow.backends.sql.statements import IDS, MOST, NOW, OF, drop, find, pick, shared
from fastapi_taskflow.backends.sql.store import Store, Writing
from fastapi_taskflow.backends.sql.tables import gates, tasks
from fastapi_taskflow.backends.tries import Collided
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import LIVE

__all__ = ["check", "line", "lock", "lock_of", "mates", "pass_on"]

_TRIES = 10
_GATES = sa.select(gates).where(gates.c.name.in_(IDS)).order_by(gates.c.name).with_for_update()
_KEYS = sa.select(tasks.c.order_key).where(tasks.c.task_id.in_(IDS), tasks.c.order_key.is_not(None))
_FIRST = sa.select(tasks.c.task_id).where(
    tasks.c.order_key == OF, tasks.c.behind == sa.false(), tasks.c.status.in_(sorted(LIVE))
)
_BEHIND = (tasks.c.behind == sa.true(), tasks.c.status == TaskStatus.PENDING)
_OTHERS = sa.select(tasks.c.task_id).where(tasks.c.order_key == OF, *_BEHIND)
_FIRST_NOW, _OTHERS_NOW = shared(_FIRST), shared(_OTHERS)
_LINE = _OTHERS.order_by(tasks.c.arrival).limit(MOST)
_KEY_OF_GATE = sa.func.substr(gates.c.name, len(gate_of("")) + 1)
# One look at an index for each of them, however many are behind.
_NEXT = sa.select(
    gates.c.name,
    sa.select(sa.func.min(tasks.c.arrival))
    .where(tasks.c.order_key == _KEY_OF_GATE, *_BEHIND)
    .correlate(gates)
    .scalar_subquery()
    .label("arrival"),
).where(gates.c.name.in_(IDS))
_PASS_ON = (
    sa.update(tasks)
    .where(tasks.c.arrival.in_(IDS))
    .values(
        behind=False,
        free=True,
        due_at=sa.case((tasks.c.due_at < NOW, NOW), else_=tasks.c.due_at),
    )
)


async def lock(tx: Writing, order_keys: Iterable[str]) -> None:
    """Wait for the turns of these keys; before any task of theirs is locked."""
    wanted = set(order_keys)
    names = sorted(map(gate_of, wanted))
    for _ in range(_TRIES):
        there = {one["name"] for one in await pick(tx.sql, _GATES, names)}
        missing = [{"name": name} for name in names if name not in there]
        if not missing:
            tx.turns.update(wanted)
            return
        await tx.sql.execute(tx.database.unless_there(gates, "name"), missing)
    raise Collided("Order keys came and went too fast.")


async def lock_of(tx: Writing, store: Store, task_ids: Sequence[str]) -> None:
    """The same for the keys of some tasks that may end, as far as there are such keys."""
    if store.keyed:
        await lock(tx, {one["order_key"] for one in await pick(tx.sql, _KEYS, task_ids)})


def check(tx: Writing, store: Store, rows: Mapping[str, Row]) -> None:
    """Nobody else has the turns of tasks that may end.

    Raises:
        Collided: somebody may; next time `lock_of` will have asked.
    """
    keys = {row.order_key for row in rows.values() if row.order_key is not None}
    if not keys <= tx.turns:
        store.keyed = True
        raise Collided("Tasks with an order key are ended.")


async def mates(
    tx: Writing, wanted: Mapping[str, bool], *, now: bool = False
) -> dict[str, list[str]]:
    """Ids of the live tasks of locked keys: of all of them where that is True, else the first.

    Args:
        now: The transaction may see an old state otherwise.
    """
    found = {}
    first, others = (_FIRST_NOW, _OTHERS_NOW) if now else (_FIRST, _OTHERS)
    for order_key, every in wanted.items():
        statements = (first, others) if every else (first,)
        rows = [one for of in statements for one in await find(tx.sql, of, of=order_key)]
        found[order_key] = [one["task_id"] for one in rows]
    return found


async def line(sql: AsyncConnection, order_key: str, most: int) -> list[str]:
    """The first live tasks of a key, in order."""
    rows = await find(sql, _FIRST, of=order_key)
    rows = [*rows, *await find(sql, _LINE, of=order_key, most=most)]
    return [one["task_id"] for one in rows[:most]]


async def pass_on(tx: Writing, plan: Plan) -> None:
    """Whoever is first behind those that ended is next."""
    if not plan.vacated:
        return
    found = await pick(tx.sql, _NEXT, map(gate_of, plan.vacated))
    following: Collection[int] = [one["arrival"] for one in found if one["arrival"] is not None]
    if following:
        await tx.sql.execute(_PASS_ON, {"ids": sorted(following), "now": plan.now})
    await drop(tx.sql, gates.c.name, [one["name"] for one in found if one["arrival"] is None])
