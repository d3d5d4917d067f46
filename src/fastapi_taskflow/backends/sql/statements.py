"""Statements that all tables share, built once for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = [
    "BEFORE",
    "IDS",
    "MOST",
    "NOW",
    "OF",
    "Found",
    "add",
    "drop",
    "find",
    "locked",
    "pick",
    "shared",
]

IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
OF: sa.BindParameter[Any] = sa.bindparam("of")
MOST: sa.BindParameter[Any] = sa.bindparam("most")
NOW: sa.BindParameter[Any] = sa.bindparam("now")
BEFORE: sa.BindParameter[Any] = sa.bindparam("before")

Found = Mapping[str, Any]
"""A row, by the names of its columns."""

# Every database takes so many parameters.
_CHUNK = 500


def locked(statement: sa.Select[Any], *, skip: bool = False) -> sa.Select[Any]:
    """Lock what is found: when that is free, or (``skip``) leaving out what is not."""
    return statement.with_for_update(key_share=True, skip_locked=skip)


def shared(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Lock what is found against those who lock it alone."""
    return statement.with_for_update(read=True)


async def find(sql: AsyncConnection, statement: sa.Executable, **of: Any) -> Sequence[Found]:
    """The rows of a statement."""
    found = await sql.execute(statement, of)
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


async def pick(sql: AsyncConnection, statement: sa.Executable, ids: Iterable[Any]) -> list[Found]:
    """The rows of a statement that has `IDS`, of any number of them."""
    return [one for chunk in _chunks(ids) for one in await find(sql, statement, ids=chunk)]


async def add(sql: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, if there are any."""
    if rows:
        await sql.execute(_insert(table), rows)


async def drop(sql: AsyncConnection, column: sa.Column[Any], values: Iterable[Any]) -> None:
    """Delete the rows that have one of these values."""
    for chunk in _chunks(values):
        await sql.execute(_delete(column), {"ids": chunk})


def _chunks(ids: Iterable[Any]) -> list[list[Any]]:
    wanted = sorted(set(ids))
    return [wanted[at : at + _CHUNK] for at in range(0, len(wanted), _CHUNK)]


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


@cache
def _delete(column: sa.Column[Any]) -> sa.Delete:
    return sa.delete(column.table).where(column.in_(IDS))
