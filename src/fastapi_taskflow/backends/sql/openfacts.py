"""What decides about tasks that are stored in transactions of callers, which may last.

Nobody else is kept from anything by them but from what their tasks take: an idempotency key that
was free, and the turns of an order key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.backends.rules import facts as rules
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql import turns
from fastapi_taskflow.backends.sql.loading import count, in_order, key_row, load, lock_batches
from fastapi_taskflow.backends.sql.statements import IDS, NOW, OF, find, pick, shared
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["is_there", "open_facts"]

# Somebody had a key that we did not see, and has it no more.
_TRIES = 3

_HELD = sa.select(t.keys).where(t.keys.c.key.in_(IDS))
# Sees what is committed by now, where a transaction otherwise sees what was at its beginning.
_HELD_NOW = shared(_HELD)
_EXPIRED = sa.delete(t.keys).where(t.keys.c.key.in_(IDS), t.keys.c.expires_at <= NOW)
_THERE = sa.select(t.instances.c.instance_id).where(
    t.instances.c.instance_id == OF, t.instances.c.alive == sa.true()
)


async def is_there(sql: AsyncConnection, instance: str) -> bool:
    """An instance is alive in the store that a connection reaches."""
    return bool(await find(sql, _THERE, of=instance))


async def open_facts(
    tx: Writing, group: Sequence[NewTask], limits: Mapping[str, int], key_ttl: float
) -> tuple[rules.Facts, dict[str, Row]]:
    """As `loading.facts`, of new tasks that retry nothing, with the rows that were loaded."""
    wanted = rules.needs([group], limits)
    await turns.lock(tx, wanted.turns)
    mates = await turns.mates(tx, wanted.turns, now=True)
    rows = await load(tx, {one for ids in mates.values() for one in ids})
    found = rules.facts_of({}, {}, {}, {}, (), in_order(rows, mates))
    await lock_batches(tx.sql, {row.batch_id for row in rows.values() if row.batch_id})
    for task in group:
        if task.idempotency_key is not None:
            found.holders[task.idempotency_key] = await _other_holder(tx, task, key_ttl)
    found.waiting.update(await count(tx, wanted.queues))
    return found, rows


async def _other_holder(tx: Writing, task: NewTask, key_ttl: float) -> rules.Holder | None:
    """Take a task's key if it is free. None: it has it."""
    wanted = [task.idempotency_key]
    for one in await pick(tx.sql, _HELD, wanted):
        if rules.is_held(one["expires_at"], tx.now):
            return rules.Holder(one["task_id"], one["fingerprint"])
        await tx.sql.execute(_EXPIRED, {"ids": wanted, "now": tx.now})
    taking = tx.database.unless_there(t.keys, "key")
    ttl = task.holds_key_for(key_ttl)
    row = key_row(task.idempotency_key or "", task.task_id, task.fingerprint, ttl)
    for _ in range(_TRIES):
        await tx.sql.execute(taking, [row])
        for one in await pick(tx.sql, _HELD_NOW, wanted):
            mine = one["task_id"] == task.task_id
            return None if mine else rules.Holder(one["task_id"], one["fingerprint"])
    raise StoreUnavailable(f"Key {task.idempotency_key!r} changes hands all the time.")
