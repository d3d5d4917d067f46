"""Databases of the benchmarks' own, on servers that run here or are named in the environment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["POSTGRES", "REDIS", "Place"]

_DATABASE = "taskflow_bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server."""

    name: str
    variable: str
    default: str

    @property
    def server(self) -> str:
        return os.environ.get(self.variable) or self.default

    @contextmanager
    def emptied(self) -> Iterator[str]:
        """The address of an empty database for the time of the block."""
        yield from (_redis if self is REDIS else _postgres)(self.server)


REDIS = Place(name="Redis", variable="TASKFLOW_BENCH_REDIS_URL", default="redis://127.0.0.1:6379/9")
POSTGRES = Place(
    name="PostgreSQL",
    variable="TASKFLOW_BENCH_POSTGRES_URL",
    default="postgresql://postgres@127.0.0.1:5432/postgres",
)


def _redis(url: str) -> Iterator[str]:
    from redis import Redis  # noqa: PLC0415  (an extra's)

    with Redis.from_url(url) as redis:
        number = redis.dbsize()
        # Peers have no prefix in common: the whole of it is deleted.
        assert not number, f"{url} has {number} keys: name another in {REDIS.variable}"
        try:
            yield url
        finally:
            redis.flushdb()


def _postgres(server: str) -> Iterator[str]:
    drop = f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)"
    # Of a run that was killed.
    asyncio.run(_execute(server, drop))
    asyncio.run(_execute(server, f"CREATE DATABASE {_DATABASE}"))
    try:
        yield urlsplit(server)._replace(path=f"/{_DATABASE}").geturl()
    finally:
        asyncio.run(_execute(server, drop))


async def _execute(server: str, statement: str) -> None:
    import asyncpg  # noqa: PLC0415  (an extra's)

    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
