"""Groups of failed attempts: what a transaction adds, what is read, folded and forgotten.

As with counters, a transaction adds a row of its own and waits for nobody; upkeep folds these into
one row a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery, Grain
from fastapi_taskflow.backends.rules.failing import (
    GRAINS,
    Seen,
    Times,
    add_up,
    merged,
    oldest_seen,
    span_begin,
)
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.backends.sql import tables as t
from fastapi_taskflow.backends.sql.statements import (
    BEFORE,
    IDS,
    MOST,
    OF,
    Found,
    add,
    drop,
    find,
    locked,
    pick,
)
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["add_failures", "fold_failures", "read_failures"]

_MICROS_PER_SECOND = 1_000_000
_MOST_GROUPS = 5_000
_NAMES = "group_name", "func_name", "kind"
_TIMES = sa.cast(sa.func.sum(t.failing.c.times), sa.BigInteger)
# Ids are ordered by time: the greatest is of the newest task.
_SEEN_AT = "first_at", "last_at", "times", "task_id"
_NEW = sa.select(
    *[t.failing.c[name] for name in _NAMES],
    sa.func.min(t.failing.c.at).label("first_at"),
    sa.func.max(t.failing.c.at).label("last_at"),
    _TIMES.label("times"),
    sa.func.max(t.failing.c.task_id).label("task_id"),
).group_by(*[t.failing.c[name] for name in _NAMES])
_SUMMED = (
    sa.select(*[t.failures.c[name] for name in (*_NAMES, *_SEEN_AT)])
    .order_by(t.failures.c.last_at.desc())
    .limit(_MOST_GROUPS)
)
# One statement each, so that nothing is folded between its two halves.
_SEEN = sa.union_all(_SUMMED.subquery().select(), _NEW)
_WHEN = sa.union_all(
    sa.select(t.failed.c.group_name, t.failed.c.second, t.failed.c.times).where(
        t.failed.c.grain == OF, t.failed.c.second >= sa.bindparam("begin")
    ),
    sa.select(t.failing.c.group_name, t.failing.c.second, _TIMES).group_by(
        t.failing.c.group_name, t.failing.c.second
    ),
)
_ADDED = locked(sa.select(t.failing).order_by(t.failing.c.number).limit(MOST), skip=True)
_KNOWN = locked(
    sa.select(t.failures).where(t.failures.c.group_name.in_(IDS)).order_by(t.failures.c.group_name)
)
_OLD = locked(
    sa.select(t.failures.c.group_name).where(t.failures.c.last_at < BEFORE).limit(MOST), skip=True
)
_OUTDATED = locked(
    sa.select(t.failed.c.number)
    .where(t.failed.c.grain == OF, t.failed.c.second < BEFORE)
    .limit(MOST),
    skip=True,
)
_CHANGED = "kind", "task_id", "first_at", "last_at", "times"
_CHANGE = (
    sa.update(t.failures)
    .where(t.failures.c.group_name == OF)
    .values({
        name: sa.bindparam(f"to_{name}", type_=t.failures.c[name].type) for name in _CHANGED
    })
)  # fmt: skip


async def add_failures(tx: Writing, plan: Plan) -> None:
    """Count the failed attempts of a plan."""
    hour = span_of(Grain.HOUR, to_micros(plan.now) // _MICROS_PER_SECOND)
    names = *_NAMES, "times", "task_id"
    rows = [dict(zip(names, one, strict=True)) for one in plan.failed]
    await add(tx.sql, t.failing, [{**row, "at": plan.now, "second": hour} for row in rows])


async def read_failures(sql: AsyncConnection, query: FailureQuery) -> list[FailureGroup]:
    """See `Backend.failures`."""
    seen = [_seen(one) for one in await find(sql, _SEEN)]
    begin = span_begin(query)
    if begin is None:
        return add_up(query, seen)
    found = await find(sql, _WHEN, of=query.grain, begin=begin)
    return add_up(query, seen, [Times(*one.values()) for one in found])


def _seen(row: Found) -> Seen:
    return Seen(
        row["group_name"], row["func_name"], row["kind"], row["first_at"], row["last_at"],
        row["times"], row["task_id"],
    )  # fmt: skip


async def fold_failures(tx: Writing, limit: int) -> int:
    """Sum up what was added, and drop what is too old; how many rows that were."""
    found = await find(tx.sql, _ADDED, most=limit) if limit > 0 else ()
    if found:
        await _fold(tx, found)
        await drop(tx.sql, t.failing.c.number, [one["number"] for one in found])
    second, left = to_micros(tx.now) // _MICROS_PER_SECOND, limit - len(found)
    if left > 0:
        before = from_micros(oldest_seen(second) * _MICROS_PER_SECOND)
        old = await find(tx.sql, _OLD, before=before, most=left)
        await drop(tx.sql, t.failures.c.group_name, [one["group_name"] for one in old])
        left -= len(old)
    for grain in GRAINS:
        oldest = oldest_kept(grain, second)
        if oldest is not None and left > 0:
            old = await find(tx.sql, _OUTDATED, of=grain, before=oldest, most=left)
            await drop(tx.sql, t.failed.c.number, [one["number"] for one in old])
            left -= len(old)
    return limit - left


async def _fold(tx: Writing, found: Sequence[Found]) -> None:
    times: Counter[tuple[Grain, int, str]] = Counter()
    groups: dict[str, Seen] = {}
    for one in found:
        new = Seen(
            one["group_name"], one["func_name"], one["kind"], one["at"], one["at"], one["times"],
            one["task_id"],
        )  # fmt: skip
        known = groups.get(new.group)
        groups[new.group] = new if known is None else merged(known, new)
        for grain in GRAINS:
            times[grain, span_of(grain, one["second"]), new.group] += new.times
    # In one order everywhere, because each is locked.
    for group, seen in sorted(groups.items()):
        nothing = {"group_name": group, "func_name": seen.func_name, **_values(seen), "times": 0}
        await tx.sql.execute(tx.database.unless_there(t.failures, "group_name"), [nothing])
    stored = {one["group_name"]: _seen(one) for one in await pick(tx.sql, _KNOWN, groups)}
    for group, seen in sorted(groups.items()):
        changed = _values(merged(stored[group], seen))
        to = {f"to_{name}": value for name, value in changed.items()}
        await tx.sql.execute(_CHANGE, {"of": group, **to})
    spans = [
        {"grain": grain, "second": second, "group_name": group, "times": number}
        for (grain, second, group), number in sorted(times.items(), key=_order)
    ]
    key = ["grain", "second", "group_name"]
    await tx.sql.execute(tx.database.adding(t.failed, key, ["times"]), spans)


def _values(seen: Seen) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in _CHANGED}


def _order(item: tuple[tuple[Grain, int, str], int]) -> tuple[str, int, str]:
    (grain, second, group), _ = item
    return grain.name, second, group
