"""A query's filters, as conditions."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, or_, select

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.backends.rules.looking import ENDINGS_WITHIN, ERRORS_WITHIN
from fastapi_taskflow.backends.sql.dialect import containing
from fastapi_taskflow.backends.sql.tables import aliases, tags, tasks

__all__ = ["conditions"]

# No character comes after it, in the order of code points that all stores use.
_LAST = "\U0010ffff"


def conditions(query: Query) -> list[ColumnElement[bool]]:
    """All of them must hold."""
    found: list[ColumnElement[bool]] = []
    if query.statuses:
        found.append(tasks.c.status.in_(query.statuses))
    exact = {"func_name": query.func_name, "queue": query.queue, "source": query.source}
    found += [tasks.c[name] == value for name, value in exact.items() if value is not None]
    if query.tag is not None:
        name, value = query.tag
        found.append(_tagged(tags.c.name == name, tags.c.value == value))
    if query.ending is not None:
        found.append(_ends(query.ending))
    if query.since is not None:
        found.append(tasks.c.created_at >= query.since)
    if query.until is not None:
        found.append(tasks.c.created_at < query.until)
    if query.text is not None:
        found.append(_says(query.text))
    return found


def _says(text: str) -> ColumnElement[bool]:
    return or_(
        tasks.c.task_id.between(text, text + _LAST),
        tasks.c.func_name.between(text, text + _LAST),
        _tagged(tags.c.value == text),
        _ends(text),
        and_(_among_newest(tasks, ERRORS_WITHIN), containing(tasks.c.error, text)),
    )


def _tagged(*wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(tags.c.task_id == tasks.c.task_id, *wanted)


def _ends(text: str) -> ColumnElement[bool]:
    named: Select[tuple[str]] = select(aliases.c.task_id).where(
        aliases.c.ending == text, _among_newest(aliases, ENDINGS_WITHIN)
    )
    return or_(
        and_(tasks.c.ending == text, _among_newest(tasks, ENDINGS_WITHIN)),
        tasks.c.task_id.in_(named),
    )


def _among_newest(table: Table, most: int) -> ColumnElement[bool]:
    newest = select(func.max(table.alias().c.arrival)).scalar_subquery()
    return table.c.arrival > newest - most
