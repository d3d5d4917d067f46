"""Sums of what ended: asked for, and folded out of what transactions have added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.backends.sql.dialect import adding
from fastapi_taskflow.backends.sql.selecting import IDS, OF
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import deltas, sums, totals
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["fold", "rollups"]

_MICROS_PER_SECOND = 1_000_000
_NEVER = 2**62
_KEY = "grain", "start", "func_name", "status", "bin"
_CELL = "queue", "func_name", "status"
_SUMMED = "func_name", "status", "bin", "ended", "seconds"

_OLDEST = (
    select(deltas)
    .order_by(deltas.c.number)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_FOLDED = delete(deltas).where(deltas.c.number.in_(IDS))
_ADD_SUMS = adding(sums, [*_KEY], ["ended", "seconds"])
_ADD_TOTALS = adding(totals, [*_CELL], ["rows", "ended", "seconds"])
_EXPIRED = (
    select(sums.c.number)
    .where(sums.c.grain == OF, sums.c.start < bindparam("before"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DROP = delete(sums).where(sums.c.number.in_(IDS))
# One statement, so that nothing is folded between the two halves.
_FOUND = union_all(
    select(sums.c.start, *[sums.c[name] for name in _SUMMED]).where(
        sums.c.grain == OF, sums.c.start >= bindparam("since"), sums.c.start < bindparam("until")
    ),
    select(deltas.c.second, *[deltas.c[name] for name in _SUMMED]).where(deltas.c.ended > 0),
)


async def fold(tx: Writing, limit: int) -> int:
    """Sum up what was added, and drop what is too old; how many rows that were."""
    found = (await tx.sql.execute(_OLDEST, {"most": limit})).mappings().all()
    if found:
        await tx.sql.execute(_ADD_TOTALS, [_total(one) for one in found])
        summed = [_sum(grain, one) for one in found if one["ended"] for grain in Grain]
        if summed:
            await tx.sql.execute(_ADD_SUMS, summed)
        await tx.sql.execute(_FOLDED, {"ids": [one["number"] for one in found]})
    dropped = len(found)
    for grain in Grain:
        dropped += await _drop(tx, grain, limit - dropped)
    return dropped


async def _drop(tx: Writing, grain: Grain, limit: int) -> int:
    before = oldest_kept(grain, to_micros(tx.now) // _MICROS_PER_SECOND)
    if before is None or limit <= 0:
        return 0
    values = {"of": grain, "before": before, "most": limit}
    numbers = (await tx.sql.execute(_EXPIRED, values)).scalars().all()
    if numbers:
        await tx.sql.execute(_DROP, {"ids": numbers})
    return len(numbers)


def _total(delta: RowMapping) -> dict[str, Any]:
    return {name: delta[name] for name in (*_CELL, "rows", "ended", "seconds")}


def _sum(grain: Grain, delta: RowMapping) -> dict[str, Any]:
    found = {name: delta[name] for name in _SUMMED}
    return found | {"grain": grain, "start": span_of(grain, delta["second"])}


async def rollups(sql: AsyncConnection, query: RollupQuery) -> list[Rollup]:
    """What a query asks for, of what is folded and what is not yet."""
    since, until = _second(query.since, 0), _second(query.until, _NEVER)
    values = {"of": query.grain, "since": since, "until": until}
    found = []
    for one in (await sql.execute(_FOUND, values)).mappings():
        start = span_of(query.grain, one["start"])
        if since <= start < until:
            found.append((start, one))
    return _summed(query, found)


def _second(moment: datetime | None, default: int) -> int:
    """The first whole second that is not before."""
    return default if moment is None else -(-to_micros(moment) // _MICROS_PER_SECOND)


def _summed(query: RollupQuery, found: Iterable[tuple[int, RowMapping]]) -> list[Rollup]:
    added: dict[tuple[int | None, str | None, TaskStatus], tuple[Counter[int], list[float]]] = {}
    for start, one in found:
        if query.func_name not in (None, one["func_name"]):
            continue
        part = (
            start if query.by_start else None,
            one["func_name"] if query.by_function else None,
            one["status"],
        )
        bins, seconds = added.setdefault(part, (Counter(), []))
        bins[one["bin"]] += one["ended"]
        seconds.append(one["seconds"])
    return [
        Rollup(
            None if start is None else from_micros(start * _MICROS_PER_SECOND),
            func_name,
            status,
            bins.total(),
            sum(seconds),
            dict(bins),
        )
        for (start, func_name, status), (bins, seconds) in added.items()
    ]
