"""What limits over all instances leave for a claim, and the tokens that it takes.

The gates of limits are locked before tasks, which a claim never waits for: claims of the same
limits pass one after the other, and nothing else locks these gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Limits, Traffic
from fastapi_taskflow.backends.buckets import Level
from fastapi_taskflow.backends.rules.allowing import (
    Allowance,
    Taken,
    Usage,
    bucket_names,
    gate_names,
    needs_leases,
)
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql import turns
from fastapi_taskflow.backends.sql.loading import enter
from fastapi_taskflow.backends.sql.statements import IDS, MOST, NOW, add, drop, find, locked, pick
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import buckets, tasks
from fastapi_taskflow.words.clock import to_micros

__all__ = ["allowed", "learn", "spend", "traffic"]

_LEASED = (
    sa.select(tasks.c.queue, tasks.c.func_name, sa.func.count().label("number"))
    .where(tasks.c.owner.is_not(None), tasks.c.persist == sa.true())
    .group_by(tasks.c.queue, tasks.c.func_name)
)
_LEVELS = sa.select(buckets).where(buckets.c.name.in_(IDS))
_CLEAR = locked(sa.select(buckets.c.name).where(buckets.c.clear_at <= NOW).limit(MOST), skip=True)
_MOST_CLEARED = 100


async def traffic(
    sql: AsyncConnection,
    order_keys: Sequence[str],
    buckets: Sequence[str],
    *,
    leased: bool,
    most: int,
) -> Traffic:
    """See `Backend.traffic`; without the time."""
    lines = {key: await turns.line(sql, key, most) for key in order_keys}
    found = await find(sql, _LEASED) if leased else ()
    counted = {(one["queue"], one["func_name"]): one["number"] for one in found}
    return Traffic(None, lines, counted, await _levels(sql, buckets))


async def allowed(tx: Writing, limits: Limits) -> Allowance:
    """What may still be taken; nobody else takes any of it before this transaction ends."""
    await enter(tx, gate_names(limits))
    found = await find(tx.sql, _LEASED) if needs_leases(limits) else ()
    leased = {(one["queue"], one["func_name"]): one["number"] for one in found}
    levels = await _levels(tx.sql, bucket_names(limits))
    return Allowance(limits, Usage(leased, levels, to_micros(tx.now)))


async def learn(tx: Writing, allowance: Allowance, candidates: Iterable[Row]) -> None:
    """How the buckets of their order keys stand, of tasks that this claim has locked."""
    names = allowance.of_keys((row.func_name, row.order_key) for row in candidates)
    allowance.learn(await _levels(tx.sql, names))


async def _levels(sql: AsyncConnection, names: Iterable[str]) -> dict[str, Level]:
    known = await pick(sql, _LEVELS, names)
    return {one["name"]: Level(one["clear_at"], one["strikes"]) for one in known}


async def spend(tx: Writing, allowance: Allowance, rows: Iterable[Row]) -> None:
    """Take the tokens of tasks that were taken."""
    levels = allowance.spend(Taken(row.queue, row.func_name, row.order_key) for row in rows)
    await drop(tx.sql, buckets.c.name, levels)
    await add(tx.sql, buckets, [{"name": name, **one._asdict()} for name, one in levels.items()])
    if levels and allowance.rates_keys:
        # Few at a time, so that the table stays small: keys come and go.
        clear = await find(tx.sql, _CLEAR, now=to_micros(tx.now), most=_MOST_CLEARED)
        await drop(tx.sql, buckets.c.name, [one["name"] for one in clear])
