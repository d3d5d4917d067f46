"""Asking for any number of ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, RowMapping, Select, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["IDS", "OF", "chunks", "selected"]

IDS: BindParameter[Any] = bindparam("ids", expanding=True)
OF: BindParameter[Any] = bindparam("of")

# Every database takes so many parameters.
_CHUNK = 500


def chunks(ids: Iterable[str]) -> list[dict[str, list[str]]]:
    """Parameters for a statement that has `IDS`, in one order for all."""
    wanted = sorted(set(ids))
    return [{"ids": wanted[at : at + _CHUNK]} for at in range(0, len(wanted), _CHUNK)]


async def selected(
    sql: AsyncConnection, statement: Select[Any], ids: Iterable[str]
) -> list[RowMapping]:
    """The rows of a statement that has `IDS`."""
    found: list[RowMapping] = []
    for chunk in chunks(ids):
        found += (await sql.execute(statement, chunk)).mappings()
    return found
