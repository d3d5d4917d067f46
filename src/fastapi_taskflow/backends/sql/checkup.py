"""What can be told of a database that has a store, beside its tasks."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Finding, Level
from fastapi_taskflow.backends.serverclock import agreement
from fastapi_taskflow.backends.sql import schema
from fastapi_taskflow.backends.sql.dialects import questions
from fastapi_taskflow.backends.sql.store import Store
from fastapi_taskflow.backends.sql.tables import VERSION
from fastapi_taskflow.words.clock import SYSTEM_CLOCK

__all__ = ["findings"]


async def findings(store: Store, *, thorough: bool) -> list[Finding]:
    """Look at the tables and the server's settings.

    Args:
        thorough: At each table's columns and indexes too, which are many questions.

    Raises:
        StoreUnavailable: there are none, or nobody answers.
    """
    async with store.looking() as sql:
        found = await schema.known(sql, store.prefix)
        if not found:
            return []
        lacks = await sql.run_sync(schema.drift, store.prefix) if thorough else None
        state = await questions.findings(sql, store.database.questions, store.prefix)
        told = [_schema(found.get("version", 0), lacks), *state, await _clock(store, sql)]
    async with store.looking(as_writer=True) as sql:
        return [*told, _isolation(await sql.get_isolation_level())]


def _isolation(level: str) -> Finding:
    detail = f"transactions of tasks are {level}"
    if level == "READ COMMITTED":
        return Finding("isolation", Level.OK, detail)
    mend = (
        "At another level instances wait for each other, or see what is past. They ask for READ "
        "COMMITTED: a proxy between forgets it. Let it keep what a session sets."
    )
    return Finding("isolation", Level.PROBLEM, detail, mend)


def _schema(version: int, lacks: list[str] | None) -> Finding:
    if version > VERSION:
        mend = "One release of the library for all processes: the newest."
        return Finding("schema", Level.PROBLEM, f"version {version}, of a newer release", mend)
    if version < VERSION:
        mend = "fastapi-taskflow migrate, or the start of an app of this release."
        return Finding("schema", Level.WARNING, f"version {version}, to be {VERSION}", mend)
    if lacks:
        mend = f"Put back what somebody removed: {'; '.join(lacks)}"
        return Finding("schema", Level.PROBLEM, f"version {version}, incomplete", mend)
    complete = "" if lacks is None else ", complete"
    return Finding("schema", Level.OK, f"version {version}{complete}")


async def _clock(store: Store, sql: AsyncConnection) -> Finding:
    before = SYSTEM_CLOCK.micros()
    server = int(await sql.scalar(sa.select(store.database.now)) or 0)
    return agreement(server, before, SYSTEM_CLOCK.micros())
