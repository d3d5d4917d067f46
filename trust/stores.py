"""Where the tasks of a run are kept: a path, or an address of a store on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi_taskflow import Backend, SqliteBackend
from fastapi_taskflow.operations.addresses import backend_at

__all__ = ["backend_of", "is_file", "kind_of", "looking", "make"]

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


async def make(place: str) -> None:
    """Make the store of a path or an address, and leave it closed."""
    backend = backend_of(place)
    await backend.open(lambda: None)
    await backend.close()


@asynccontextmanager
async def looking(place: str) -> AsyncIterator[Backend]:
    """The store of a path or an address, which is there, to look at."""
    backend = backend_of(place).onlooker()
    await backend.open(lambda: None)
    try:
        yield backend
    finally:
        await backend.close()
