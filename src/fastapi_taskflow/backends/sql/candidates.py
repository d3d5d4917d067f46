"""What a claim looks at: free and due tasks, locked as far as it may take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fastapi_taskflow.backends.rules.claiming import Look, aged
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.backends.rules.rows import Row, read
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.loading import WHOLE
from fastapi_taskflow.backends.sql.pausing import unless_paused
from fastapi_taskflow.backends.sql.statements import IDS, MOST, NOW, OF, find, locked, pick
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.rules.retry import QUARANTINE_FROM

__all__ = ["candidates", "due", "is_near"]


def is_near(interruptions: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """It is suspect."""
    return interruptions >= QUARANTINE_FROM


def due(columns: Sequence[sa.Column[Any]]) -> sa.Select[tuple[object, ...]]:
    """Free and due tasks of a queue, in the order of claims."""
    return (
        sa.select(*columns)
        .where(t.tasks.c.queue == OF, t.tasks.c.free == sa.true())
        .where(t.tasks.c.due_at <= NOW)
        .order_by(t.tasks.c.place, t.tasks.c.due_at, t.tasks.c.arrival)
    )


def _free(columns: Sequence[sa.Column[Any]], *, suspects: bool) -> sa.Select[tuple[object, ...]]:
    near = is_near(t.tasks.c.interruptions)
    of = t.tasks.c.func_name.in_(IDS), near if suspects else ~near
    return due(columns).where(*of).limit(MOST)


_BOTH = False, True
_FREE = {suspects: locked(_free(WHOLE, suspects=suspects), skip=True) for suspects in _BOTH}
_SEEN = {suspects: _free([t.tasks.c.arrival], suspects=suspects) for suspects in _BOTH}
_PLACE: sa.BindParameter[Any] = sa.bindparam("place")
_AT_PLACE = {
    suspects: _free([t.tasks.c.arrival, t.tasks.c.due_at], suspects=suspects).where(
        t.tasks.c.place == _PLACE
    )
    for suspects in _BOTH
}
# Of an index in steps: a queue has few of them.
_NEXT_PLACE = sa.select(sa.func.min(t.tasks.c.place).label("place")).where(
    t.tasks.c.queue == OF, t.tasks.c.free == sa.true(), t.tasks.c.place > _PLACE
)
_NO_PLACE = -(2**62)
_TAKEN = locked(
    sa.select(*WHOLE).where(t.tasks.c.arrival.in_(IDS), t.tasks.c.free == sa.true()), skip=True
)
# How many more than it wants a claim looks at, in case that others have locked the first.
_SPARE = 200


async def candidates(tx: Writing, looks: Iterable[Look], pauses: Pauses) -> list[Row]:
    """Free and due tasks, as many as may be of use."""
    found, looks = list[Row](), list(looks)
    unless = unless_paused(pauses) if pauses.pick else []
    aging = {look.queue for look in looks if look.step is not None}
    places = {queue: await _places(tx, queue) for queue in sorted(aging)}
    for look in looks:
        of = {"of": look.queue, "now": tx.now, "ids": sorted(look.functions)}
        if tx.database.locks_what_it_reads or look.step is not None:
            seen = await _seen(tx, look, of, unless, places.get(look.queue, ()))
            found += await _one_by_one(tx, look.most, seen)
        else:
            free = _FREE[look.suspects]
            if unless:
                free = locked(_free(WHOLE, suspects=look.suspects).where(*unless), skip=True)
            rows = await find(tx.sql, free, most=look.most, **of)
            found += map(read, rows)
    return found


async def _one_by_one(tx: Writing, most: int, seen: list[int]) -> list[Row]:
    """Lock as few as may be wanted of what was seen without locks, in the order of claims."""
    left, found = seen, list[Row]()
    while left and len(found) < most:
        wanted = most - len(found)
        found += map(read, await pick(tx.sql, _TAKEN, left[:wanted]))
        left = left[wanted:]
    return found


async def _seen(
    tx: Writing,
    look: Look,
    of: Mapping[str, Any],
    unless: Sequence[sa.ColumnElement[bool]],
    places: Iterable[int],
) -> list[int]:
    """What a look finds, by arrival, in the order of claims; ``places`` are those of an ageing."""
    most = look.most + _SPARE
    if look.step is None:
        found = await find(tx.sql, _SEEN[look.suspects].where(*unless), most=most, **of)
        return [one["arrival"] for one in found]
    turns = list[tuple[float, Any, int]]()
    statement = _AT_PLACE[look.suspects].where(*unless)
    for place in places:
        for one in await find(tx.sql, statement, most=most, place=place, **of):
            turn = aged(place, tx.now - one["due_at"], look.step)
            turns.append((turn, one["due_at"], one["arrival"]))
    return [arrival for _, _, arrival in sorted(turns)[:most]]


async def _places(tx: Writing, queue: str) -> list[int]:
    """Each rank that free tasks of a queue have."""
    places = [_NO_PLACE]
    while True:
        (one,) = await find(tx.sql, _NEXT_PLACE, of=queue, place=places[-1])
        if one["place"] is None:
            return places[1:]
        places.append(one["place"])
