"""Those who wait for tasks ask the store together."""

import asyncio
from typing import Any, TypeVar

from fastapi_taskflow import MemoryBackend, TaskManager
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding

T = TypeVar("T")


class CountingStore(Forwarding):
    """Counts reads by id, and how many are under way; each waits until it may go on."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.asked: list[int] = []
        self.underway = self.most = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        if verb != "get":
            return await call()
        self.asked.append(len(asked[0]))
        self.underway += 1
        self.most = max(self.most, self.underway)
        await asyncio.sleep(0.01)
        self.underway -= 1
        return await call()


async def test_a_hundred_that_wait_elsewhere_cost_one_read_at_a_time() -> None:
    store = CountingStore()
    here, there = TaskManager(snapshot_backend=store), TaskManager(snapshot_backend=store)
    gate = asyncio.Event()

    async def work(number: int) -> int:
        await gate.wait()
        return number

    there.task(persist=True)(work)
    async with there, here:
        added = [await there.enqueue(work, n) for n in range(5)]
        store.asked.clear()
        store.most = 0
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waits = [group.create_task(here.result(added[n % 5].task_id)) for n in range(100)]
            while len(store.asked) < 3:  # noqa: ASYNC110  (what they do is to be seen)
                await asyncio.sleep(0.01)
            gate.set()

    assert [one.result() for one in waits] == [n % 5 for n in range(100)]
    assert max(store.asked) <= 5
    assert store.most <= 10
