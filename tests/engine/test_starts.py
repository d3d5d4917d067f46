"""Durable plain functions: starts are stored a few ahead of a free thread, and no more."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace

import pytest

from fastapi_taskflow import MemoryBackend, TaskManager, TaskStatus
from fastapi_taskflow.backends.base import Lease
from fastapi_taskflow.engine.core.pools import Pool
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

THREADS, WAITING = 2, 10


class SlowStore(MemoryBackend):
    """Takes its time to store that tasks start, as a disk does."""

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        await asyncio.sleep(0.01)
        return await super().start(leases)


class Shop:
    """Quick calls, and calls that stand until they are let go."""

    def __init__(self) -> None:
        self.store = SlowStore()
        self.tasks = TaskManager(
            snapshot_backend=self.store, max_sync_threads=THREADS, drain_timeout=0.1
        )
        self.called: list[int] = []
        self.gate = threading.Event()
        self.quick = self.tasks.task(persist=True, name="quick")(lambda: None)
        self.stand = self.tasks.task(persist=True, name="stand")(self._stand)

    def _stand(self, number: int) -> None:
        self.called.append(number)
        self.gate.wait()

    async def stand_ahead(self) -> list[str]:
        """More tasks than there are threads, started while calls were quick until then."""
        for one in [await self.tasks.enqueue(self.quick) for _ in range(100)]:
            await ended(self.tasks, one.task_id)
        found = [await self.tasks.enqueue(self.stand, n) for n in range(WAITING)]
        ids = [one.task_id for one in found]
        await wait_until(lambda: len(self.called) == THREADS)
        return ids

    async def count(self, ids: list[str], status: TaskStatus) -> int:
        stored = await self.store.get(ids)
        return sum(one is not None and one.record.status is status for one in stored)


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_what_waits_too_long_for_its_call_goes_back(shop: Shop) -> None:
    async with shop.tasks:
        ids = await shop.stand_ahead()
        assert await shop.count(ids, TaskStatus.RUNNING) > THREADS

        async def went_back() -> bool:
            running = await shop.count(ids, TaskStatus.RUNNING)
            return running == THREADS and await shop.count(ids, TaskStatus.PENDING) == 8

        await wait_until(went_back)
        shop.gate.set()
        for task_id in ids:
            assert await ended(shop.tasks, task_id) is TaskStatus.SUCCESS

    assert sorted(shop.called) == list(range(WAITING))
    assert all(one and one.failures == one.interruptions == 0 for one in await shop.store.get(ids))


async def test_a_drain_gives_back_what_was_not_called(shop: Shop) -> None:
    async with shop.tasks:
        ids = await shop.stand_ahead()
        assert await shop.count(ids, TaskStatus.RUNNING) > THREADS
    shop.gate.set()

    assert await shop.count(ids, TaskStatus.INTERRUPTED) == THREADS
    assert await shop.count(ids, TaskStatus.PENDING) == WAITING - THREADS
    assert len(shop.called) == THREADS


async def test_what_is_cancelled_before_its_call_is_never_called(shop: Shop) -> None:
    async with shop.tasks:
        ids = await shop.stand_ahead()
        for task_id in ids[THREADS:]:
            await shop.tasks.cancel(task_id)
        shop.gate.set()
        found = [await ended(shop.tasks, task_id) for task_id in ids]

    assert found == [TaskStatus.SUCCESS] * THREADS + [TaskStatus.CANCELLED] * (WAITING - THREADS)
    assert sorted(shop.called) == list(range(THREADS))


@pytest.mark.parametrize(
    ("call", "start", "ahead"),
    [(0.001, 0.002, 4), (0.00001, 0.01, 64), (0.01, 0.002, 0), (10.0, 0.002, 0)],
)
def test_as_many_are_ahead_as_are_called_while_a_start_is_stored(
    call: float, start: float, ahead: int
) -> None:
    pool = Pool("thread", SimpleNamespace(slots=2))
    for _ in range(200):
        pool.called_for(call)
        pool.started_in(start)

    assert pool.ahead == pytest.approx(ahead, abs=1)
    pool.stop_ahead()
    assert pool.ahead == 0


def test_nothing_is_ahead_before_anything_is_known() -> None:
    pool = Pool("thread", SimpleNamespace(slots=2))
    pool.started_in(0.1)

    assert pool.ahead == 0
    assert pool.free() == 2
