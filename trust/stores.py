"""Where the tasks of a run are kept: a file, or a store of its own on a server."""

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

from fastapi_taskflow import Backend, SqliteBackend
from fastapi_taskflow.operations.addresses import backend_at

__all__ = ["NAMES", "ask", "backend_of", "is_file", "kind_of", "own_store"]

NAMES = "taskflow_trust_"
"""How those of stores on servers begin."""

_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+asyncmy"}
_OF_TABLES = "taskflow_"


def is_file(place: str) -> bool:
    """A path, not the address of a server."""
    return "://" not in place


def kind_of(place: str) -> str:
    """``sqlite``, ``postgresql``, ``mysql`` or ``redis``."""
    return "sqlite" if is_file(place) else place.partition("://")[0]


def backend_of(place: str) -> Backend:
    """A backend on a path or an address; what follows ``#`` begins its keys (Redis)."""
    if is_file(place):
        return SqliteBackend(place)
    url, _, prefix = place.partition("#")
    return backend_at(url, prefix or _OF_TABLES)


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
        yield f"{server}#{name}"
        client = redis.Redis.from_url(server)
        for key in client.scan_iter(match=f"{{{name}}}:*", count=1000):
            client.unlink(key)
        client.close()
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
