"""Tasks as they come from the tables and go into them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import ENDING_LENGTH
from fastapi_taskflow.backends.rules.claiming import rank
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sql.selecting import IDS, selected
from fastapi_taskflow.backends.sql.tables import lines, tasks
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["BRIEF", "HEAD", "WHOLE", "ending_of", "lines_of", "read_row", "values_of"]

_FIELDS = [name for name in Row.__dataclass_fields__ if name in tasks.c]
# Arrival numbers are the database's.
_WRITTEN = [name for name in _FIELDS if name != "arrival"]
WHOLE = [tasks.c[name] for name in _FIELDS]
HEAD = [column for column in WHOLE if column.name != "payload"]
BRIEF = [column for column in HEAD if column.name != "stacktrace"]

_EMPTY: dict[type, Any] = {
    str: "",
    int: 0,
    bool: False,
    dict: {},
    datetime: datetime(1970, 1, 1, tzinfo=UTC),
    TaskStatus: TaskStatus.INTERRUPTED,
}
_KINDS = {column.name: (column.type.python_type, bool(column.nullable)) for column in WHOLE}
_LINES = (
    select(lines.c.task_id, lines.c.lines).where(lines.c.task_id.in_(IDS)).order_by(lines.c.number)
)


def read_row(found: RowMapping) -> Row:
    """A task, with something empty in place of what cannot be read."""
    values, damaged = {}, []
    for name, value in found.items():
        kind, nullable = _KINDS[name]
        if type(value) is kind or (value is None and nullable):
            values[name] = value
        else:
            values[name] = None if nullable else _EMPTY[kind]
            damaged.append(name)
    return Row(**values, damage=f"unreadable: {', '.join(damaged)}" if damaged else None)


def values_of(row: Row) -> dict[str, Any]:
    """All columns of a task."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _WRITTEN}
    return values | {
        "free": row.free,
        "waiting": row.waiting,
        "place": rank(row.priority),
        "ending": ending_of(row.task_id),
    }


def ending_of(task_id: str) -> str:
    """What people tell tasks apart by."""
    return task_id[-ENDING_LENGTH:]


async def lines_of(sql: AsyncConnection, task_ids: Iterable[str]) -> dict[str, list[str]]:
    """Log lines of tasks that have any, in order."""
    found: dict[str, list[str]] = {}
    for one in await selected(sql, _LINES, task_ids):
        if type(one["lines"]) is list:
            found.setdefault(one["task_id"], []).extend(map(str, one["lines"]))
    return found
