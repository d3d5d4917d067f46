"""An answer that comes late is about the past: it must not touch what happened since."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    MemoryBackend,
    QueueConfig,
    StoreUnavailable,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from tests.support.waiting import wait_until

T = TypeVar("T")


class LateAnswers(Forwarding):
    """Does the first call of some steps, and holds the answer back until `tell` is called.

    Args:
        steps: Verbs, or moves that an outcome makes.
        lost: The caller is told in the end that the store did not answer; else the answer.
    """

    def __init__(self, *steps: str, lost: bool) -> None:
        super().__init__(MemoryBackend())
        self._lost = lost
        self._told = {step: asyncio.Event() for step in steps}
        # Steps that are done and not answered, or answered late.
        self.done: set[str] = set()
        self.verbs: list[str] = []

    def tell(self, step: str) -> None:
        self._told[step].set()

    def again(self, step: str) -> None:
        """Hold back the next answer of this step as well."""
        self._told[step] = asyncio.Event()
        self.done.discard(step)

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        self.verbs.append(verb)
        steps = {verb} | {one.move.value for one in (asked[0] if verb == "finish" else ())}
        late = steps & self._told.keys() - self.done
        answer = await call()
        self.done |= late
        for step in late:
            await self._told[step].wait()
        if late and self._lost:
            raise StoreUnavailable("The answer is lost")
        return answer


def quick(backend: LateAnswers) -> TaskManager:
    # Rows that the store says are ours and we do not know are given back after two beats.
    return TaskManager(
        snapshot_backend=backend,
        heartbeat_interval=0.05,
        instance_ttl=30.0,
        drain_timeout=5.0,
        queues={"side": QueueConfig()},
    )


@pytest.mark.parametrize("moment", ["starting", "running", "over"])
@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("lane", [True, False])
async def test_a_task_whose_insert_is_answered_late_runs_once(
    lane: bool, lost: bool, moment: str
) -> None:
    steps = ("insert", "start") if moment == "starting" else ("insert",)
    backend = LateAnswers(*steps, lost=lost)
    manager = quick(backend)
    ran: list[str] = []
    release = asyncio.Event()

    @manager.task(persist=True)
    async def work(name: str) -> None:
        ran.append(name)
        await release.wait()

    async with manager:
        adding = asyncio.create_task(added(manager, work, lane=lane))
        # Before anybody is told, the store gives the task back, and out again.
        if moment == "starting":
            await wait_until(lambda: "start" in backend.done)
        else:
            await wait_until(lambda: ran == ["first"])
        if moment == "over":
            release.set()
            await wait_until(lambda: ended(manager))
        backend.tell("insert")
        if not lane:
            await adding
        await manager.enqueue(work, "second")
        if moment == "starting":
            backend.tell("start")
        await wait_until(lambda: "second" in ran)
        release.set()
        await adding
        await wait_until(lambda: ended(manager))

    assert sorted(ran) == ["first", "second"]


async def added(manager: TaskManager, work: Callable[[str], Any], *, lane: bool) -> None:
    if lane:
        tasks = ManagedBackgroundTasks(manager)
        tasks.add_task(work, "first")
        await tasks()
    else:
        await manager.enqueue(work, "first")


async def test_a_failure_that_is_answered_late_leaves_the_next_attempt_alone() -> None:
    backend = LateAnswers("retry", lost=True)
    manager = quick(backend)
    attempts: list[int] = []
    release = asyncio.Event()

    @manager.task(persist=True, retries=1)
    async def work() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise ValueError
        await release.wait()

    async with manager:
        task_id = (await manager.enqueue(work)).task_id
        await wait_until(lambda: attempts == [0, 1])
        backend.tell("retry")
        settling = manager.runtime.engine().settling
        await wait_until(lambda: settling.unsettled == 0)
        # Looks at the rows that the store says are ours: two find what is lost.
        looks = backend.verbs.count("owned") + 4
        await wait_until(lambda: backend.verbs.count("owned") >= looks)
        release.set()
        await wait_until(lambda: ended(manager))
        record = await manager.get(task_id)

    assert attempts == [0, 1]
    assert record is not None
    assert (record.status, record.retries_used) == (TaskStatus.SUCCESS, 1)


async def ended(manager: TaskManager) -> bool:
    live = (TaskStatus.PENDING, TaskStatus.RUNNING)
    return all(record.status not in live for record in await manager.merged_list())


async def test_a_pause_is_not_undone_by_what_was_read_before_it() -> None:
    backend = LateAnswers("signals", lost=False)
    manager = quick(backend)
    ran: list[str] = []

    @manager.task(persist=True)
    async def work(name: str) -> None:
        ran.append(name)

    starting = asyncio.create_task(manager.startup())
    await wait_until(lambda: "signals" in backend.done)
    backend.tell("signals")
    await starting
    backend.again("signals")
    await wait_until(lambda: "signals" in backend.done)
    await manager.pause("default")
    backend.tell("signals")
    for _ in range(10):
        # Until the answer is heard, and well before the next look.
        await asyncio.sleep(0)
    await manager.enqueue(work, "paused")
    await manager.enqueue(work, "beside", queue="side")
    await wait_until(lambda: ran)
    looks = backend.verbs.count("signals") + 2
    await wait_until(lambda: backend.verbs.count("signals") >= looks)

    assert ran == ["beside"]
    await manager.resume("default")
    await wait_until(lambda: ran == ["beside", "paused"])
    await manager.shutdown()
