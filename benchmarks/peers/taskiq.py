"""Taskiq on Redis, by a stream: of its brokers there the one that acknowledges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from redis.asyncio import Redis
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, crowd, run


class Taskiq:
    def __init__(self, url: str) -> None:
        self._broker = RedisStreamBroker(url)

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        async def noop() -> None:
            calls.one()

        self._broker.register_task(noop, task_name="noop")
        self._broker.is_worker_process = True
        await self._broker.startup()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_receiver_task(self._broker, max_async_tasks=SLOTS))
            yield

    async def left(self) -> int:
        async with Redis(connection_pool=self._broker.connection_pool) as redis:
            (group,) = await redis.xinfo_groups(self._broker.queue_name)
        return int(group["pending"]) + int(group["lag"] or 0)

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        async def noop() -> None: ...

        task = self._broker.register_task(noop, task_name="noop")
        await self._broker.startup()
        yield partial(crowd, enqueue=task.kiq, at_once=50)


if __name__ == "__main__":
    run(Taskiq)
