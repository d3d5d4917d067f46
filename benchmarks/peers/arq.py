"""ARQ on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from arq import Worker, create_pool, func
from arq.connections import RedisSettings

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, crowd, run


class Arq:
    def __init__(self, url: str) -> None:
        self._settings = RedisSettings.from_dsn(url)

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        async def noop(_: Any) -> None:
            calls.one()

        self._redis = await create_pool(self._settings)
        worker = Worker(
            [func(noop, name="noop")],
            redis_pool=self._redis,
            handle_signals=False,
            max_jobs=SLOTS,
            # By default it looks twice a second, and takes so many each time.
            poll_delay=0.005,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.async_run())
            yield

    async def left(self) -> int:
        return int(await self._redis.zcard(self._redis.default_queue_name))

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        redis = await create_pool(self._settings)
        yield partial(crowd, enqueue=partial(redis.enqueue_job, "noop"), at_once=50)


if __name__ == "__main__":
    run(Arq)
