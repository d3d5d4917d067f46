"""All that tasks hold, as it is stored, for whoever encrypts it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from fastapi_taskflow.backends.base import rotation as port
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.sql.statements import IDS, MOST, Found, find, pick
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import attempts, lines, tasks

__all__ = ["SqlRotation"]

_TEXTS = "error", "stacktrace"
_GIVEN = "progress", "emitted", "result", "title", "summary"
_TASKS = (
    sa.select(tasks.c.arrival, tasks.c.task_id, sa.literal(0).label("number"), tasks.c.payload)
    .add_columns(*[tasks.c[name] for name in (*_TEXTS, *_GIVEN)])
    .where(tasks.c.arrival > sa.bindparam("after"))
    .order_by(tasks.c.arrival)
    .limit(MOST)
)
_HISTORY = (
    sa.select(attempts.c.task_id, attempts.c.fence.label("number"))
    .add_columns(*[attempts.c[name] for name in _TEXTS])
    .where(attempts.c.task_id.in_(IDS))
    .order_by(attempts.c.arrival)
)
_LINES = (
    sa.select(lines.c.task_id, lines.c.number, lines.c.lines.label("logs"))
    .where(lines.c.task_id.in_(IDS))
    .order_by(lines.c.number)
)


class SqlRotation(OnStore, port.Rotation):
    """Contents of tasks."""

    async def contents(self, *, limit: int, cursor: str | None = None) -> port.Contents:
        after = -1 if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            page = await find(sql, _TASKS, after=after, most=limit + 1)
            held: dict[str, list[port.Content]] = {
                one["task_id"]: _held(one) for one in page[:limit]
            }
            for statement in (_HISTORY, _LINES):
                for one in await pick(sql, statement, held):
                    held[one["task_id"]] += _held(one)
        more = str(page[limit - 1]["arrival"]) if len(page) > limit else None
        return port.Contents([content for of in held.values() for content in of], more)

    async def rewrite(self, changes: Sequence[port.Rewrite]) -> list[bool]:
        if not changes:
            return []
        async with self._store.writing() as tx:
            return [await _rewrite(tx, change) for change in changes]


def _held(found: Found) -> list[port.Content]:
    """What a row of some table holds."""
    values = [(field, found.get(field.value)) for field in port.ContentField]
    return [
        port.Content(found["task_id"], field, found["number"], value)
        for field, value in values
        if value
    ]


def _where(content: port.Content) -> tuple[sa.Table, str, list[sa.ColumnElement[bool]]]:
    """The table and column that hold a content, and in which row."""
    table, name, number = tasks, content.field.value, None
    if content.field is port.ContentField.LOGS:
        table, name, number = lines, "lines", lines.c.number
    elif content.number:
        table, number = attempts, attempts.c.fence
    mine = [table.c.task_id == content.task_id]
    return table, name, mine if number is None else [*mine, number == content.number]


async def _rewrite(tx: Writing, change: port.Rewrite) -> bool:
    table, name, mine = _where(change.content)
    stored = (
        await tx.sql.execute(sa.select(table.c[name]).where(*mine).with_for_update())
    ).scalar()
    if stored is None or stored != change.content.value:
        return False
    await tx.sql.execute(sa.update(table).where(*mine).values({name: change.value}))
    return True
