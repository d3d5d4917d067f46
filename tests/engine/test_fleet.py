"""Several instances on one store: claims, deaths, lost identities, drains."""

import asyncio
import os
import threading
from collections.abc import Callable

import pytest

from fastapi_taskflow import Backend, TaskManager, TaskStatus, get_task_context
from fastapi_taskflow.backends.base import ClaimRequest, InstanceInfo, Lease, NewTask, Outcome
from fastapi_taskflow.rules.codec import encode
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.states import Move
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
OpenStore = Callable[[], Backend]


class Stranger:
    """An instance driven by hand, that never beats."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.id = new_id()

    async def enlist(self) -> None:
        await self.backend.open(lambda: None)
        await self.backend.enlist(
            InstanceInfo(
                instance_id=self.id,
                host="elsewhere",
                pid=os.getpid(),
                started_at=SYSTEM_CLOCK.now(),
                roles=frozenset({"execute"}),
                ttl=0.3,
            )
        )

    async def take(self, name: str, *, start: bool, requeue: bool = False) -> Lease:
        """A task that this instance holds, and runs if asked to."""
        payload = encode((), {}, TaskManager().registry.types)
        task = NewTask(
            new_id(), name, payload, "default", SYSTEM_CLOCK.now(), requeue=requeue, owner=self.id
        )
        await self.backend.insert([[task]])
        lease = Lease(task.task_id, 1)
        if start:
            assert (await self.backend.start([lease]))[0] is not None
        return lease


@pytest.fixture
async def stranger(open_store: OpenStore) -> Stranger:
    return Stranger(open_store())


@pytest.mark.parametrize(
    ("start", "requeue", "status", "runs"),
    [
        (False, False, TaskStatus.SUCCESS, 1),
        (True, True, TaskStatus.SUCCESS, 1),
        (True, False, TaskStatus.INTERRUPTED, 0),
    ],
)
async def test_a_dead_instances_tasks_go_on_as_promised(
    manager: Make, stranger: Stranger, start: bool, requeue: bool, status: TaskStatus, runs: int
) -> None:
    tasks = manager(instance_ttl=0.2)
    ran: list[int] = []

    @tasks.task(persist=True)
    async def work() -> None:
        context = get_task_context()
        assert context is not None
        ran.append(context.fence)

    await stranger.enlist()
    async with tasks:
        lease = await stranger.take("work", start=start, requeue=requeue)
        # A stranger in this process keeps its file lock: its heartbeat tells.
        assert await ended(tasks, lease.task_id) is status
        record = await tasks.get(lease.task_id)
        await stranger.backend.close()

    assert len(ran) == runs
    assert all(fence > 1 for fence in ran)
    assert record is not None
    assert record.retries_used == 0
    if status is TaskStatus.INTERRUPTED:
        assert record.error is not None
        assert "died" in record.error


async def test_an_instance_declared_dead_goes_on_under_a_new_id(
    manager: Make, stranger: Stranger
) -> None:
    tasks = manager()
    gate = asyncio.Event()
    seen: list[int] = []

    @tasks.task(persist=True, requeue_on_interrupt=True)
    async def twice() -> None:
        context = get_task_context()
        assert context is not None
        seen.append(context.fence)
        await gate.wait()

    @tasks.task(persist=True)
    async def once() -> None:
        await gate.wait()

    await stranger.enlist()
    async with tasks:
        engine = tasks.runtime.engine()
        former = engine.instance_id
        requeued, *_ = await tasks.enqueue(twice)
        plain, *_ = await tasks.enqueue(once)

        async def both_run() -> bool:
            records = [await tasks.get(task_id) for task_id in (requeued, plain)]
            return all(r is not None and r.status is TaskStatus.RUNNING for r in records)

        await wait_until(both_run)
        for claim in await stranger.backend.recover(stranger.id, former, limit=10):
            assert claim.lease.fence == 2
        await wait_until(lambda: engine.instance_id != former)
        gate.set()
        # The stranger dies holding both; the engine's new self takes them over in turn.
        assert await ended(tasks, requeued) is TaskStatus.SUCCESS
        assert await ended(tasks, plain) is TaskStatus.INTERRUPTED
        inspection = await tasks.operations.inspect(plain)
        await stranger.backend.close()

    assert inspection is not None
    assert any(attempt.late for attempt in inspection.attempts)
    assert len(seen) == 2
    assert seen[1] > seen[0]


async def test_a_poisonous_task_ends_and_leaves_the_others_alone(
    manager: Make, stranger: Stranger
) -> None:
    tasks = manager(instance_ttl=0.2)

    @tasks.task(persist=True, requeue_on_interrupt=True)
    async def poison() -> None:
        pass

    backend = stranger.backend
    await stranger.enlist()
    lease = await stranger.take("poison", start=True, requeue=True)
    for _ in range(3):
        await backend.finish([Outcome(lease, Move.RESCUE)])
        request = ClaimRequest(stranger.id, new_id(), {"default": 1}, 1, frozenset({"poison"}))
        (claim,) = await backend.claim(request)
        lease = claim.lease
        await backend.start([lease])

    async with tasks:
        assert await ended(tasks, lease.task_id) is TaskStatus.INTERRUPTED
        record = await tasks.get(lease.task_id)
        await backend.close()

    assert record is not None
    assert record.error is not None
    assert "4 instances" in record.error


async def test_a_claim_whose_answer_was_lost_is_given_back(
    manager: Make, open_store: OpenStore
) -> None:
    tasks = manager()
    ran = asyncio.Event()

    @tasks.task(persist=True)
    async def work() -> None:
        ran.set()

    async with tasks:
        payload = encode((), {}, tasks.registry.types)
        owner = tasks.runtime.engine().instance_id
        lost = NewTask(new_id(), "work", payload, "default", SYSTEM_CLOCK.now(), owner=owner)
        await tasks.runtime.backend.insert([[lost]])
        assert await ended(tasks, lost.task_id) is TaskStatus.SUCCESS
    assert ran.is_set()


async def test_a_function_that_nobody_has_waits(manager: Make) -> None:
    first, second = manager(), manager()

    @first.task(persist=True)
    async def known() -> None:
        pass

    async with first:
        unknown = NewTask(
            new_id(),
            "unknown",
            encode((), {}, first.registry.types),
            "default",
            SYSTEM_CLOCK.now(),
        )
        await first.runtime.backend.insert([[unknown]])
        task_id, *_ = await first.enqueue(known)
        assert await ended(first, task_id) is TaskStatus.SUCCESS
        record = await first.get(unknown.task_id)
        assert record is not None
        assert record.status is TaskStatus.PENDING

        @second.task(persist=True, name="unknown")
        async def now_known() -> None:
            pass

        async with second:
            assert await ended(second, unknown.task_id) is TaskStatus.SUCCESS


async def test_an_instance_without_the_execute_role_leaves_the_work_to_others(
    manager: Make,
) -> None:
    web = manager(roles={"enqueue", "observe"})
    worker = manager(roles={"execute", "maintain"})
    places: list[str | None] = []

    async def work() -> None:
        places.append(threading.current_thread().name)

    for tasks in (web, worker):
        tasks.task(persist=True)(work)
    async with web:
        task_id, *_ = await web.enqueue(work)
        async with worker:
            assert await ended(web, task_id) is TaskStatus.SUCCESS
            record = await web.get(task_id)
            assert record is not None
            assert record.instance == worker.runtime.engine().instance_id
