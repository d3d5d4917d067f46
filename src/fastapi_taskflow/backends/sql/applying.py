"""A plan, written into the tables in the transaction that loaded what it was made from."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.rules.looking import ending_of
from fastapi_taskflow.backends.rules.plan import Lines, Plan
from fastapi_taskflow.backends.sql.failures import add_failures
from fastapi_taskflow.backends.sql.loading import key_row, values_of
from fastapi_taskflow.backends.sql.statements import OF, add, drop
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import aliases, attempts, deltas, keys, lines, tags, tasks
from fastapi_taskflow.backends.sql.turns import pass_on
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.durations import UNMEASURED
from fastapi_taskflow.words.loglines import packed

__all__ = ["apply", "grown", "is_news", "made"]

_MICROS_PER_SECOND = 1_000_000
Rows = tuple[sa.Table, list[dict[str, Any]]]

_ITS_KEY = sa.and_(keys.c.key == sa.bindparam("held"), keys.c.task_id == sa.bindparam("by"))
_FREE_KEY = sa.delete(keys).where(_ITS_KEY)
# A key's time runs from the end of its task.
_KEEP_KEY = (
    sa.update(keys)
    .where(_ITS_KEY)
    .values(expires_at=keys.c.ttl_micros + sa.bindparam("now", type_=sa.BigInteger))
)


@cache
def _changing(names: tuple[str, ...]) -> sa.Update:
    """There are few sets of columns that plans change."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return sa.update(tasks).where(tasks.c.task_id == OF).values(values)


async def apply(tx: Writing, plan: Plan) -> None:
    """Write all of it."""
    for table in (tasks, tags, lines, attempts, aliases):
        await drop(tx.sql, table.c.task_id, plan.deleted)
    for table, rows in made(plan):
        await add(tx.sql, table, rows)
    await _add_aliases(tx.sql, plan)
    await _change(tx.sql, plan)
    await _write_keys(tx, plan)
    await drop(tx.sql, lines.c.task_id, {one.task_id for one in plan.lines if one.anew})
    for table, rows in grown(plan):
        await add(tx.sql, table, rows)
    if plan.failures:
        await add_failures(tx, plan)
    await pass_on(tx, plan)
    if is_news(plan):
        tx.hints.add("tasks")


def made(plan: Plan) -> list[Rows]:
    """New tasks."""
    new = plan.inserted.values()
    names = "task_id", "name", "value"
    named = [(row.task_id, *tag) for row in new for tag in row.tags.items()]
    return [
        (tasks, [values_of(row) for row in new]),
        (tags, [dict(zip(names, one, strict=True)) for one in named]),
    ]


def grown(plan: Plan) -> list[Rows]:
    """What no row of theirs stood for before: histories, logs, counters."""
    history = [{"task_id": task_id, **one._asdict()} for task_id, one in plan.attempts]
    return [(attempts, history), (lines, _lines(plan.lines)), (deltas, _deltas(plan))]


def is_news(plan: Plan) -> bool:
    """It leaves something that another instance may claim, or be asked to end."""
    return (
        bool(plan.vacated)
        or any(row.free for row in plan.inserted.values())
        or any(one.get("free") or one.get("cancel_asked") for one in plan.changed.values())
    )


async def _add_aliases(sql: AsyncConnection, plan: Plan) -> None:
    found = [
        {"alias": alias, "task_id": task_id, "ending": ending_of(alias)}
        for alias, task_id in plan.aliases.items()
    ]
    await add(sql, aliases, found)


async def _change(sql: AsyncConnection, plan: Plan) -> None:
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for task_id, values in plan.changed.items():
        alike.setdefault(tuple(sorted(values)), []).append({"of": task_id, **values})
    for names, rows in alike.items():
        await sql.execute(_changing(names), rows)


async def _write_keys(tx: Writing, plan: Plan) -> None:
    sql = tx.sql
    # One that somebody else has taken since is found out by the insert.
    await drop(sql, keys.c.key, plan.taken.keys() & tx.locked_keys)
    taken = [
        key_row(key, one.task_id, one.fingerprint, one.ttl)
        for key, one in sorted(plan.taken.items())
    ]
    await add(sql, keys, taken)
    now = to_micros(plan.now)
    for statement, held in ((_KEEP_KEY, plan.kept), (_FREE_KEY, plan.freed)):
        if held:
            found = [{"held": one.key, "by": one.task_id, "now": now} for one in sorted(held)]
            await sql.execute(statement, found)


def _lines(chunks: list[Lines]) -> list[dict[str, Any]]:
    """One row a task: what is taken back at once is not written."""
    added: dict[str, list[str]] = {}
    for one in chunks:
        if one.anew:
            added[one.task_id] = []
        added.setdefault(one.task_id, []).extend(packed(one.lines))
    return [{"task_id": task_id, "lines": of} for task_id, of in added.items() if of]


def _deltas(plan: Plan) -> list[dict[str, Any]]:
    second = to_micros(plan.now) // _MICROS_PER_SECOND
    seconds = plan.seconds
    moved = [(cell, second, number, UNMEASURED, 0, 0.0, 0) for cell, number in plan.rows.items()]
    ended = [
        (length.cell, second, 0, length.bin, number, seconds[length], 0)
        for length, number in plan.ended.items()
    ]
    waited = [
        (one.cell, one.minute, 0, one.bin, 0, 0.0, number) for one, number in plan.waited.items()
    ]
    names = "second", "rows", "bin", "ended", "seconds", "waited"
    return [
        {**cell._asdict(), **dict(zip(names, values, strict=True))}
        for cell, *values in [*moved, *ended, *waited]
    ]
