"""What is shown of tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, bindparam, func, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import (
    Attempt,
    Page,
    Query,
    Rollup,
    RollupQuery,
    StoredTask,
    Tally,
    weight,
)
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.rows import Row, shown
from fastapi_taskflow.backends.sql import loading
from fastapi_taskflow.backends.sql.filters import conditions
from fastapi_taskflow.backends.sql.rollups import rollups
from fastapi_taskflow.backends.sql.rowreading import BRIEF, HEAD, WHOLE, lines_of, read_row
from fastapi_taskflow.backends.sql.selecting import IDS, selected
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.backends.sql.tables import attempts, deltas, tasks, totals

__all__ = ["SqlReads"]

_BY_ID = select(*WHOLE).where(tasks.c.task_id.in_(IDS))
_ATTEMPTS = (
    select(*[attempts.c[name] for name in Attempt._fields])
    .where(attempts.c.task_id == bindparam("of"))
    .order_by(attempts.c.arrival)
)
_DUE = select(func.min(tasks.c.due_at)).where(tasks.c.queue.in_(IDS), tasks.c.free == true())
_CELL = "queue", "func_name", "status"
_ADDED = union_all(
    *[
        select(*[table.c[name] for name in (*_CELL, "rows", "ended", "seconds")])
        for table in (totals, deltas)
    ]
).subquery()
_TALLY = select(
    *[_ADDED.c[name] for name in _CELL],
    *[func.sum(_ADDED.c[name]).label(name) for name in ("rows", "ended", "seconds")],
).group_by(*[_ADDED.c[name] for name in _CELL])


class SqlReads(OnStore, Reads):
    """Reads, each of one state of the store."""

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        if not task_ids:
            return []
        async with self._store.reading() as sql:
            of = await loading.canonical(sql, task_ids)
            named = [of.get(one, one) for one in task_ids]
            rows = {row.task_id: row for row in map(read_row, await selected(sql, _BY_ID, named))}
            lines = await lines_of(sql, rows)
        return [
            shown(rows[one], lines.get(one, ()), alias=task_id if task_id in of else None)
            if one in rows
            else None
            for task_id, one in zip(task_ids, named, strict=True)
        ]

    async def attempts(self, task_id: str) -> list[Attempt]:
        async with self._store.reading() as sql:
            of = await loading.canonical(sql, [task_id])
            found = await sql.execute(_ATTEMPTS, {"of": of.get(task_id, task_id)})
            return [Attempt(*one) for one in found]

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        wanted = select(*(BRIEF if most_bytes is None else HEAD)).where(*conditions(query))
        if cursor is not None:
            wanted = wanted.where(tasks.c.arrival < parse_cursor(cursor))
        async with self._store.reading() as sql:
            rows = await _rows(sql, wanted.order_by(tasks.c.arrival.desc()).limit(limit + 1))
            page = rows[:limit]
            lines = {}
            if most_bytes is not None:
                lines = await lines_of(sql, [row.task_id for row in page])
        found = [shown(row, lines.get(row.task_id, ())) for row in page]
        kept = len(found) if most_bytes is None else _light(found, most_bytes)
        more = kept < len(rows)
        return Page(found[:kept], str(rows[kept - 1].arrival) if more and kept else None)

    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        wanted = select(tasks.c.arrival).where(*conditions(query)).limit(cap).subquery()
        async with self._store.reading() as sql:
            return (await sql.execute(select(func.count()).select_from(wanted))).scalar_one()

    async def tally(self) -> list[Tally]:
        async with self._store.reading() as sql:
            return [Tally(*one) for one in await sql.execute(_TALLY)]

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        async with self._store.reading() as sql:
            return await rollups(sql, query)

    async def next_due(self, queues: Sequence[str]) -> float | None:
        if not queues:
            return None
        async with self._store.reading() as sql:
            paused = await loading.paused(sql, queues)
            found = await selected(sql, _DUE, [one for one in queues if one not in paused])
        due = [one["min"] for one in found if one["min"] is not None]
        return (min(due) - self._store.clock.now()).total_seconds() if due else None


async def _rows(sql: AsyncConnection, statement: Select[tuple[object, ...]]) -> list[Row]:
    return [read_row(one) for one in (await sql.execute(statement)).mappings()]


def _light(found: list[StoredTask], most_bytes: int) -> int:
    """How many of the first tasks are light enough together; one at least."""
    left, kept = most_bytes, 0
    for one in found:
        left -= weight(one.record)
        if left < 0 and kept:
            break
        kept += 1
    return kept
