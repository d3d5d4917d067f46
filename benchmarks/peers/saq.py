"""SAQ on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from saq import Queue, Worker

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, crowd, run


class Saq:
    def __init__(self, url: str) -> None:
        # As many at a time as its Redis client has connections.
        self._queue = Queue.from_url(url, max_concurrent_ops=SLOTS)

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        async def noop(_: Any) -> None:
            calls.one()

        await self._queue.connect()
        worker = Worker(self._queue, [("noop", noop)], concurrency=SLOTS)
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.start())
            yield

    async def left(self) -> int:
        return int(await self._queue.count("incomplete"))

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        await self._queue.connect()
        yield partial(crowd, enqueue=partial(self._queue.enqueue, "noop"), at_once=SLOTS)


if __name__ == "__main__":
    run(Saq)
