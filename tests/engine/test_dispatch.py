"""Who runs what an instance accepts: itself where it can, or whoever has a slot free."""

import asyncio
from typing import Any

import pytest

from fastapi_taskflow import ConfigurationError, MemoryBackend, QueueConfig, TaskManager
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.testing import async_drain
from tests.support.gates import ThreadGate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio


class Owners(Forwarding):
    """Notes who owns tasks when they are stored, by queue."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.seen: dict[str, str | None] = {}

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[Any]) -> Any:
        if verb == "insert":
            self.seen |= {task.queue: task.owner for group in asked[0] for task in group}
        return await call()


async def test_tasks_of_a_shared_queue_are_nobodys_until_they_are_claimed() -> None:
    store = Owners()
    queues = {"near": QueueConfig(), "far": QueueConfig(dispatch="shared")}
    tasks = TaskManager(snapshot_backend=store, queues=queues)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note(where: str) -> None:
        ran.append(where)

    async def is_kept(queue: str) -> bool:
        await tasks.enqueue(note, queue, queue=queue)
        return store.seen[queue] is not None

    async with tasks:
        # Once the first look at the store has found nothing that is older.
        await wait_until(lambda: is_kept("near"))
        kept = [await is_kept("far") for _ in range(3)]
        await wait_until(lambda: ran.count("far") == 3)

    assert kept == [False, False, False]


async def test_a_shared_queue_starts_the_highest_priority_first() -> None:
    shared = {"far": QueueConfig(concurrency=1, dispatch="shared")}
    worker = TaskManager(snapshot_backend=MemoryBackend(), queues=shared)
    ran: list[int] = []
    free = asyncio.Event()

    @worker.task(persist=True, queue="far")
    async def note(number: int) -> None:
        await free.wait()
        ran.append(number)

    async with worker:
        await worker.enqueue(note, 0)
        await wait_until(lambda: worker.queue_stats()[1]["running"] == 1)
        for number in (1, 3, 2):
            await worker.enqueue(note, number, priority=number)
        free.set()
        await wait_until(lambda: len(ran) == 4)

    assert ran == [0, 3, 2, 1]


def test_other_ways_to_dispatch_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="dispatch"):
        QueueConfig(dispatch="remote")  # type: ignore[arg-type]


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_no_queue_waits_until_another_is_empty(persist: bool) -> None:
    tasks = TaskManager(
        snapshot_backend=MemoryBackend(),
        max_sync_threads=1,
        queues={"long": QueueConfig(), "short": QueueConfig()},
    )
    gate = ThreadGate()
    ran: list[str] = []

    @tasks.task(persist=persist)
    def work(name: str) -> None:
        if not ran:
            gate.stand()
        ran.append(name)

    async with tasks:
        await tasks.enqueue(work, "first", queue="long")
        await asyncio.to_thread(gate.wait_for_arrival)
        for queue, name in (("long", "a"), ("short", "b"), ("long", "c"), ("short", "d")):
            await tasks.enqueue(work, name, queue=queue)
        await tasks.enqueue(work, "urgent", queue="short", priority=1)
        gate.open()
        await async_drain(tasks, timeout=60)

    assert ran == ["first", "urgent", "a", "b", "c", "d"]
