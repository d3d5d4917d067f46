"""A plan, written into the tables in the transaction that loaded what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Delete, Executable, Update, and_, bindparam, delete, insert, update

from fastapi_taskflow.backends.rules.plan import Held, Lines, Plan
from fastapi_taskflow.backends.sql.rowreading import ending_of, values_of
from fastapi_taskflow.backends.sql.selecting import IDS, OF, chunks
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import (
    aliases,
    attempts,
    deltas,
    keys,
    lines,
    tags,
    tasks,
)
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.durations import UNMEASURED

__all__ = ["apply", "delete_keys"]

_MICROS_PER_SECOND = 1_000_000

_DELETES: list[Delete] = [
    delete(table).where(table.c.task_id.in_(IDS))
    for table in (tasks, tags, lines, attempts, aliases)
]
_DELETE_LINES = delete(lines).where(lines.c.task_id.in_(IDS))
_DELETE_KEYS = delete(keys).where(keys.c.key.in_(IDS))
_INSERT_TASKS, _INSERT_TAGS = insert(tasks), insert(tags)
_INSERT_ALIASES, _INSERT_KEYS = insert(aliases), insert(keys)
_INSERT_ATTEMPTS, _INSERT_LINES = insert(attempts), insert(lines)
_INSERT_DELTAS = insert(deltas)
_ITS_KEY = and_(keys.c.key == bindparam("held"), keys.c.task_id == bindparam("by"))
_FREE_KEY = delete(keys).where(_ITS_KEY)
# A key's time runs from the end of its task.
_KEEP_KEY = (
    update(keys)
    .where(_ITS_KEY)
    .values(expires_at=keys.c.ttl_micros + bindparam("now_micros", type_=keys.c.ttl_micros.type))
)


@cache
def _changing(names: Sequence[str]) -> Update:
    """There are few sets of columns that plans change."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(tasks).where(tasks.c.task_id == OF).values(values)


async def apply(tx: Writing, plan: Plan) -> None:
    """Write all of it."""
    await _delete(tx, plan.deleted)
    await _insert(tx, plan)
    await _change(tx, plan)
    await _write_keys(tx, plan)
    found = [{"task_id": task_id, **one._asdict()} for task_id, one in plan.attempts]
    await _run(tx, _INSERT_ATTEMPTS, found)
    await _append(tx, plan.lines)
    await _run(tx, _INSERT_DELTAS, _deltas(plan))


async def delete_keys(tx: Writing, names: Iterable[str]) -> None:
    """Forget keys, whoever holds them."""
    for chunk in chunks(names):
        await tx.sql.execute(_DELETE_KEYS, chunk)


async def _run(tx: Writing, statement: Executable, rows: list[dict[str, Any]]) -> None:
    if rows:
        await tx.sql.execute(statement, rows)


async def _delete(tx: Writing, task_ids: list[str]) -> None:
    for chunk in chunks(task_ids):
        for statement in _DELETES:
            await tx.sql.execute(statement, chunk)


async def _insert(tx: Writing, plan: Plan) -> None:
    rows = plan.inserted.values()
    await _run(tx, _INSERT_TASKS, [values_of(row) for row in rows])
    found = [
        {"task_id": row.task_id, "name": name, "value": value}
        for row in rows
        for name, value in row.tags.items()
    ]
    await _run(tx, _INSERT_TAGS, found)
    named = [
        {"alias": alias, "task_id": task_id, "ending": ending_of(alias)}
        for alias, task_id in plan.aliases.items()
    ]
    await _run(tx, _INSERT_ALIASES, named)


async def _change(tx: Writing, plan: Plan) -> None:
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for task_id, values in plan.changed.items():
        alike.setdefault(tuple(sorted(values)), []).append({"of": task_id, **values})
    for names, rows in alike.items():
        await tx.sql.execute(_changing(names), rows)


async def _write_keys(tx: Writing, plan: Plan) -> None:
    await delete_keys(tx, plan.taken)
    taken = [
        {
            "key": key,
            "task_id": one.task_id,
            "fingerprint": one.fingerprint,
            "ttl_micros": round(one.ttl * _MICROS_PER_SECOND),
            "expires_at": None,
        }
        for key, one in plan.taken.items()
    ]
    await _run(tx, _INSERT_KEYS, taken)
    now = {"now_micros": to_micros(plan.now)}
    await _run(tx, _KEEP_KEY, [_of(one) | now for one in plan.kept])
    await _run(tx, _FREE_KEY, [_of(one) for one in plan.freed])


def _of(held: Held) -> dict[str, Any]:
    return {"held": held.key, "by": held.task_id}


async def _append(tx: Writing, chunked: list[Lines]) -> None:
    """One row a task: what is taken back at once is not written."""
    added: dict[str, list[str]] = {}
    anew = set()
    for one in chunked:
        if one.anew:
            anew.add(one.task_id)
            added[one.task_id] = []
        added.setdefault(one.task_id, []).extend(one.lines)
    for chunk in chunks(anew):
        await tx.sql.execute(_DELETE_LINES, chunk)
    found = [{"task_id": task_id, "lines": of} for task_id, of in added.items() if of]
    await _run(tx, _INSERT_LINES, found)


def _deltas(plan: Plan) -> list[dict[str, Any]]:
    second = to_micros(plan.now) // _MICROS_PER_SECOND
    moved = [(cell, UNMEASURED, number, 0, 0.0) for cell, number in plan.rows.items() if number]
    ended = [
        (length.cell, length.bin, 0, number, plan.seconds[length])
        for length, number in plan.ended.items()
    ]
    return [
        {
            **cell._asdict(),
            "bin": bin_,
            "rows": rows,
            "ended": number,
            "seconds": seconds,
            "second": second,
        }
        for cell, bin_, rows, number, seconds in [*moved, *ended]
    ]
