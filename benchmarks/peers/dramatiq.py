"""Dramatiq on Redis, with its middleware for coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from redis import ConnectionPool, Redis

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, run


class Dramatiq:
    def __init__(self, url: str) -> None:
        # Each of its threads wants one to acknowledge.
        pool = ConnectionPool.from_url(url, max_connections=2 * SLOTS)
        self._broker = RedisBroker(client=Redis(connection_pool=pool))
        self._broker.add_middleware(AsyncIO())

    def _actor(self, calls: Calls) -> dramatiq.Actor[Any, Any]:
        async def noop() -> None:
            calls.one()

        return dramatiq.actor(noop, broker=self._broker)

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        self._actor(calls)
        # A coroutine keeps a thread waiting.
        dramatiq.Worker(self._broker, worker_threads=SLOTS).start()
        yield

    async def left(self) -> int:
        # What is taken stays there until it is acknowledged.
        return int(self._broker.client.hlen("dramatiq:default.msgs"))

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        noop = self._actor(Calls())

        async def enqueue(tasks: int) -> None:
            for _ in range(tasks):
                noop.send()

        yield enqueue


if __name__ == "__main__":
    run(Dramatiq)
