"""The version of the tables: what makes them, and what makes newer ones of older ones.

Steps go forward and add: tables, columns, indexes. What is missing is found by looking, so that a
migration that was broken off, where each statement is committed by itself, goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from fastapi_taskflow.backends.base.migration import Planned
from fastapi_taskflow.backends.sql.tables import PREFIX, VERSION, facts, metadata
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["drift", "is_current", "known", "migrate", "plan"]

_FACTS = sa.select(facts.c.name, facts.c.value)
# What older rows have in a new column that cannot be empty.
_ZEROS = {bool: "FALSE", int: "0", float: "0"}


async def known(sql: AsyncConnection, prefix: str) -> dict[str, int] | None:
    """What the store knows of itself; None where there is none."""
    name = facts.name.replace(PREFIX, prefix)
    if not await sql.run_sync(lambda sync: sa.inspect(sync).has_table(name)):
        return None
    return dict([tuple(one) for one in await sql.execute(_FACTS)])


def is_current(found: Mapping[str, int] | None, place: str) -> bool:
    """The tables are those of this release.

    Raises:
        ConfigurationError: they are those of a newer one.
    """
    version = (found or {}).get("version", 0)
    if version > VERSION:
        raise ConfigurationError(
            f"{place} has tables of version {version}, made by a newer release; this one knows "
            f"versions up to {VERSION}."
        )
    return version == VERSION


async def plan(sql: AsyncConnection, prefix: str, place: str) -> Planned:
    """What leads to this release's tables.

    Raises:
        ConfigurationError: see `is_current`.
    """
    found = await known(sql, prefix)
    version = None if found is None else found.get("version")
    if is_current(found, place):
        return Planned(version, VERSION, ())
    statements = [*await sql.run_sync(drift, prefix), *_notes(prefix, version)]
    return Planned(version, VERSION, tuple(statements))


async def migrate(sql: AsyncConnection, prefix: str, place: str) -> dict[str, int]:
    """Bring the tables to this release's version, alone; what the store knows of itself then."""
    for statement in (await plan(sql, prefix, place)).statements:
        await sql.exec_driver_sql(statement)
    return await known(sql, prefix) or {}


def _notes(prefix: str, version: int | None) -> list[str]:
    name = facts.name.replace(PREFIX, prefix)
    if version is None:
        values = f"('version', {VERSION}), ('clock', 0)"
        return [f"INSERT INTO {name} (name, value) VALUES {values}"]  # noqa: S608  (numbers of ours)
    return [f"UPDATE {name} SET value = {VERSION} WHERE name = 'version'"]  # noqa: S608


def drift(sync: sa.Connection, prefix: str) -> list[str]:
    """The statements that add what the tables lack.

    Raises:
        ConfigurationError: a table of somebody else has the name of one: it lacks our key.
    """
    inspector, found = sa.inspect(sync), list[str]()
    there = set(inspector.get_table_names())
    # The table of facts is the last: it says that all are there.
    for table in sorted(metadata.tables.values(), key=lambda one: one is facts):
        name, indexes = table.name.replace(PREFIX, prefix), set[str | None]()
        if name in there:
            indexes = {one["name"] for one in inspector.get_indexes(name)}
            columns = {one["name"] for one in inspector.get_columns(name)}
            if not columns.issuperset(table.primary_key.columns.keys()):
                raise ConfigurationError(
                    f"There is a table {name} that is not of this library: choose another "
                    "table_prefix. Nothing was changed."
                )
            found += [_adding(column, sync) for column in table.c if column.name not in columns]
        else:
            found.append(_text(CreateTable(table), sync))
        found += [
            _text(CreateIndex(index), sync)
            for index in sorted(table.indexes, key=lambda one: str(one.name))
            if str(index.name).replace(PREFIX, prefix) not in indexes
        ]
    return [one.replace(PREFIX, prefix) for one in found]


def _adding(column: sa.Column[object], sync: sa.Connection) -> str:
    text = f"ALTER TABLE {column.table.name} ADD COLUMN {_text(CreateColumn(column), sync)}"
    if column.nullable:
        return text
    zero = _ZEROS.get(column.type.dialect_impl(sync.dialect).python_type, "''")
    return f"{text} DEFAULT {zero}"


def _text(element: sa.ClauseElement, sync: sa.Connection) -> str:
    return " ".join(str(element.compile(dialect=sync.dialect)).split())
