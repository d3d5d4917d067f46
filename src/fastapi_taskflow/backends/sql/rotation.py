"""All that tasks hold, as it is stored, for whoever encrypts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base.rotation import (
    Content,
    ContentField,
    Contents,
    Rewrite,
    Rotation,
)
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.sql.selecting import IDS, selected
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import attempts, lines, tasks

__all__ = ["SqlRotation"]

_TASKS = (
    select(tasks.c.arrival, tasks.c.task_id, tasks.c.payload, tasks.c.error, tasks.c.stacktrace)
    .where(tasks.c.arrival > bindparam("after"))
    .order_by(tasks.c.arrival)
    .limit(bindparam("most"))
)
_HISTORY = (
    select(attempts.c.task_id, attempts.c.fence, attempts.c.error, attempts.c.stacktrace)
    .where(attempts.c.task_id.in_(IDS))
    .order_by(attempts.c.fence)
)
_LINES = (
    select(lines.c.task_id, lines.c.number, lines.c.lines)
    .where(lines.c.task_id.in_(IDS))
    .order_by(lines.c.number)
)
_OWN = ContentField.PAYLOAD, ContentField.ERROR, ContentField.STACKTRACE
_TEXTS = ContentField.ERROR, ContentField.STACKTRACE


class SqlRotation(OnStore, Rotation):
    """Contents of tasks."""

    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        after = -1 if cursor is None else parse_cursor(cursor)
        async with self._store.reading() as sql:
            found = (await sql.execute(_TASKS, {"after": after, "most": limit + 1})).mappings()
            page = found.all()
            held = await _held(sql, [one["task_id"] for one in page[:limit]])
        for one in page[:limit]:
            of = held[one["task_id"]]
            of[:0] = _filled(one["task_id"], 0, one, _OWN)
        more = len(page) > limit
        contents = [content for of in held.values() for content in of]
        return Contents(contents, str(page[limit - 1]["arrival"]) if more else None)

    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        if not changes:
            return []
        async with self._store.writing() as tx:
            return [await _rewrite(tx, change) for change in changes]


async def _held(sql: AsyncConnection, task_ids: list[str]) -> dict[str, list[Content]]:
    """What is beside tasks, by task."""
    held: dict[str, list[Content]] = {task_id: [] for task_id in task_ids}
    for one in await selected(sql, _HISTORY, task_ids):
        held[one["task_id"]] += _filled(one["task_id"], one["fence"], one, _TEXTS)
    for one in await selected(sql, _LINES, task_ids):
        content = Content(one["task_id"], ContentField.LOGS, one["number"], tuple(one["lines"]))
        held[one["task_id"]].append(content)
    return held


def _filled(task_id: str, number: int, found: Any, fields: Sequence[ContentField]) -> list[Content]:
    values = [(field, found[field.value]) for field in fields]
    return [Content(task_id, field, number, value) for field, value in values if value]


def _where(content: Content) -> tuple[Table, str, list[ColumnElement[bool]]]:
    """The table and column that hold a content, and in which row."""
    if content.field is ContentField.LOGS:
        mine = [lines.c.task_id == content.task_id, lines.c.number == content.number]
        return lines, "lines", mine
    if content.number:
        mine = [attempts.c.task_id == content.task_id, attempts.c.fence == content.number]
        return attempts, content.field.value, mine
    return tasks, content.field.value, [tasks.c.task_id == content.task_id]


async def _rewrite(tx: Writing, change: Rewrite) -> bool:
    table, name, mine = _where(change.content)
    column = table.c[name]
    found = (await tx.sql.execute(select(column).where(*mine).with_for_update())).scalar()
    stored = tuple(found) if isinstance(found, list) else found
    if stored is None or stored != change.content.value:
        return False
    await tx.sql.execute(update(table).where(*mine).values({name: change.value}))
    return True
