"""Ours, on Redis and on PostgreSQL: a process that only accepts, and a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.peers.drive import SLOTS, Calls, Enqueue, crowd, run
from fastapi_taskflow import TaskManager


class Taskflow:
    def __init__(self, url: str) -> None:
        self._url = url
        self._manager: TaskManager | None = None
        self._tasks = 0

    def _made(self, roles: Iterable[str], called: Callable[[], None]) -> TaskManager:
        async def noop() -> None:
            called()

        manager = TaskManager(snapshot_backend=self._url, roles=roles, max_concurrent_tasks=SLOTS)
        self._noop = manager.task(persist=True)(noop)
        return manager

    @asynccontextmanager
    async def working(self, calls: Calls) -> AsyncIterator[None]:
        self._calls = calls
        self._manager = self._made(("execute", "maintain"), calls.one)
        async with self._manager:
            yield

    async def left(self) -> int:
        assert self._manager is not None
        # It is told there after it has been stored.
        finished: int = sum(queue["finished"] for queue in self._manager.queue_stats())
        return len(self._calls) - finished

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[Enqueue]:
        manager = self._made(("enqueue",), lambda: None)
        async with manager:
            yield partial(crowd, enqueue=partial(manager.enqueue, self._noop), at_once=256)


if __name__ == "__main__":
    run(Taskflow)
