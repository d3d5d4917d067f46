"""Procrastinate on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, run

_BATCH = 500


class Procrastinate:
    def __init__(self, url: str) -> None:
        self._app = App(connector=PsycopgConnector(conninfo=url))

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        async def noop() -> None:
            calls.one()

        self._app.task(noop, name="noop")
        async with self._app.open_async(), asyncio.TaskGroup() as group:
            await self._app.schema_manager.apply_schema_async()
            work = self._app.run_worker_async(concurrency=SLOTS, install_signal_handlers=False)
            group.create_task(work)
            yield

    async def left(self) -> int:
        row = await self._app.connector.execute_query_one_async(
            "SELECT count(*) AS number FROM procrastinate_jobs WHERE status <> 'succeeded'"
        )
        return int(row["number"])

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        noop = self._app.configure_task("noop")

        async def enqueue(tasks: int) -> None:
            for begin in range(0, tasks, _BATCH):
                batch = min(_BATCH, tasks - begin)
                await noop.batch_defer_async(*({} for _ in range(batch)))

        async with self._app.open_async():
            yield enqueue


if __name__ == "__main__":
    run(Procrastinate)
