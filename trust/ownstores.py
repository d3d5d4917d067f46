"""Stores of a run's own: made for it, and gone after it.

Apart from `trust.stores`, because the processes under test need no client of any server for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import redis
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from trust.stores import is_file, kind_of

__all__ = ["NAMES", "ask", "own_store"]

NAMES = "taskflow_trust_"
"""How those of stores on servers begin."""

_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}


@contextmanager
def own_store(server: str, folder: Path) -> Iterator[str]:
    """A new store: a file in the folder (``sqlite``), or at a server; it goes with the block.

    Args:
        server: ``sqlite``, or an address with a database that is there.
    """
    kind, name = kind_of(server), f"{NAMES}{os.getpid()}_{uuid4().hex[:6]}"
    if is_file(server):
        yield str(folder / "tasks.db")
    elif kind == "redis":
        try:
            yield f"{server}#{name}"
        finally:
            with redis.Redis.from_url(server) as client:
                for key in client.scan_iter(match=f"{{{name}}}:*", count=1000):
                    client.unlink(key)
    else:
        asyncio.run(ask(server, f"CREATE DATABASE {name}"))
        try:
            yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            asyncio.run(ask(server, f"DROP DATABASE {name}{force}"))


async def ask(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on a database, each committed by itself; what the last one answers."""
    address = sa.make_url(url).set(drivername=_DRIVERS[kind_of(url)])
    engine = create_async_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    found: list[tuple[object, ...]] = []
    try:
        async with engine.connect() as sql:
            for one in statements:
                answer = await sql.exec_driver_sql(one)
                found = [tuple(row) for row in answer] if answer.returns_rows else []
    finally:
        await engine.dispose()
    return found
