"""What a shutdown does with running and waiting tasks."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from fastapi_taskflow import Backend, QueueConfig, TaskManager, TaskStatus, get_task_context
from fastapi_taskflow.backends.base.forwarding import Forwarding
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@pytest.mark.parametrize("persist", [False, True])
async def test_what_runs_is_waited_for(manager: Make, persist: bool) -> None:
    tasks, later = manager(), manager()
    inside = asyncio.Event()

    @tasks.task(persist=persist)
    async def until_drain() -> None:
        inside.set()
        context = get_task_context()
        assert context is not None
        await wait_until(lambda: context.stopping)

    async with tasks:
        task_id, *_ = await tasks.enqueue(until_drain)
        await inside.wait()

    async with later:
        assert await ended(later, task_id) is TaskStatus.SUCCESS


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"persist": True, "requeue_on_interrupt": True}, TaskStatus.PENDING),
        ({"persist": True}, TaskStatus.INTERRUPTED),
        ({}, TaskStatus.INTERRUPTED),
    ],
)
async def test_what_runs_past_the_deadline_ends_by_the_drain_rule(
    manager: Make, settings: dict[str, bool], status: TaskStatus, is_async: bool
) -> None:
    tasks, later = manager(drain_timeout=0.1), manager(roles={"observe"})
    inside = threading.Event()
    release = threading.Event()

    async def stuck_async() -> None:
        inside.set()
        await asyncio.Event().wait()

    def stuck() -> None:
        inside.set()
        release.wait()

    func = stuck_async if is_async else stuck
    tasks.task(**settings)(func)  # type: ignore[call-overload]
    async with tasks:
        task_id, *_ = await tasks.enqueue(func)
        await wait_until(inside.is_set)
    release.set()  # nobody waited for it

    async with later:
        record = await later.get(task_id)
        (stored,) = await later.runtime.backend.get([task_id])
    assert record is not None
    assert record.status is status
    assert stored is not None
    assert stored.interruptions == 0
    assert stored.owner is None


async def test_durable_tasks_that_wait_go_back_and_others_run_on(manager: Make) -> None:
    tasks = manager(queues={"one": QueueConfig(concurrency=1)})
    later = manager(roles={"observe"})
    inside = asyncio.Event()
    ran: list[str] = []

    async def work(name: str) -> None:
        inside.set()
        context = get_task_context()
        assert context is not None
        await wait_until(lambda: context.stopping)
        ran.append(name)

    durable = tasks.task(persist=True, name="durable")(work)

    async def work_plain(name: str) -> None:
        await work(name)

    plain = tasks.task()(work_plain)
    async with tasks:
        first, *_ = await tasks.enqueue(durable, "runs", queue="one")
        await inside.wait()
        second, *_ = await tasks.enqueue(durable, "waits", queue="one")
        third, *_ = await tasks.enqueue(plain, "in memory", queue="one")

    assert ran == ["runs", "in memory"]
    async with later:
        for task_id, status in [
            (first, TaskStatus.SUCCESS),
            (second, TaskStatus.PENDING),
            (third, TaskStatus.SUCCESS),
        ]:
            record = await later.get(task_id)
            assert record is not None
            assert record.status is status


async def test_who_drains_says_so_to_others_with_what_still_runs(manager: Make) -> None:
    tasks, other = manager(heartbeat_interval=0.05), manager(heartbeat_interval=0.05)
    inside, over = asyncio.Event(), asyncio.Event()

    @tasks.task()
    async def long() -> None:
        inside.set()
        await over.wait()

    async def states() -> set[tuple[int, bool]]:
        found = await other.operations.instances()
        return {(one.peer.running, one.peer.draining) for one in found if not one.this}

    async with other:
        await tasks.startup()
        await tasks.enqueue(long)
        await inside.wait()

        async def sees(wanted: tuple[int, bool]) -> bool:
            return wanted in await states()

        await wait_until(lambda: sees((1, False)))
        end = asyncio.create_task(tasks.shutdown())
        await wait_until(lambda: sees((1, True)))
        over.set()
        await end


async def test_a_plain_task_that_waits_for_its_time_is_interrupted_and_says_so(
    manager: Make,
) -> None:
    tasks, later = manager(), manager(roles={"observe"})

    @tasks.task()
    async def never() -> None:
        raise AssertionError

    async with tasks:
        task_id, *_ = await tasks.enqueue(never, delay=60)

    async with later:
        record = await later.get(task_id)
    assert record is not None
    assert record.status is TaskStatus.INTERRUPTED
    assert record.error is not None
    assert "before the task started" in record.error


async def test_a_manager_starts_again_after_its_end(manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def work() -> None:
        pass

    for _ in range(3):
        async with tasks:
            task_id, *_ = await tasks.enqueue(work)
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS
    await tasks.shutdown()


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_the_deadline_ends_is_named_once(
    manager: Make, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = manager(drain_timeout=0.1)
    inside = threading.Event()

    async def slow() -> None:
        inside.set()
        await asyncio.Event().wait()

    over = threading.Event()

    def polite() -> None:
        inside.set()
        context = get_task_context()
        assert context is not None
        try:
            while True:
                context.check_cancelled()
        finally:
            over.set()

    func = slow if is_async else polite
    tasks.task(func)
    async with tasks:
        task_id, *_ = await tasks.enqueue(func)
        await asyncio.to_thread(inside.wait)

    (told,) = [each.message for each in caplog.records if "Drain time is over" in each.message]
    assert f"{func.__name__} ({task_id})" in told
    # A thread that asks is told that it works for nobody any more.
    assert is_async or await asyncio.to_thread(over.wait, 60)


async def test_a_drain_that_ends_in_time_says_nothing(
    manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = manager()

    @tasks.task
    async def quick() -> None: ...

    async with tasks:
        await tasks.enqueue(quick)

    assert "Drain time" not in caplog.text


class HeldAnswers(Forwarding):
    """Keeps the answers to one verb back, from the first that ``holds`` until `release`."""

    def __init__(self, inner: Backend, verb: str, holds: Callable[[Any], bool]) -> None:
        super().__init__(inner)
        self._verb = verb
        self._holds = holds
        self.given, self.release, self.leaving = asyncio.Event(), asyncio.Event(), asyncio.Event()
        # A claim that found nothing is held until there is a task: so what is asked after it
        # is when that one is due.
        self.idle, self.stored = asyncio.Event(), asyncio.Event()

    async def open(self, on_change: Callable[[], None]) -> None:
        # Who is told of a task claims it without a look at when it is due.
        is_told = self._verb == "claim"
        await super().open(on_change if is_told else lambda: None)

    async def around(self, verb: str, asked: Any, call: Callable[[], Awaitable[Any]]) -> Any:
        if verb == "retire":
            self.leaving.set()
            # What was let go meanwhile has the time to do harm.
            await self.release.wait()
            for _ in range(20):
                await asyncio.sleep(0)
        answer = await call()
        if verb == "claim" != self._verb and not answer:
            self.idle.set()
            await self.stored.wait()
        if verb == self._verb and self._holds(answer):
            self.given.set()
            await self.release.wait()
        return answer


@pytest.mark.parametrize(
    ("verb", "holds"),
    [("claim", bool), ("next_due", lambda due: due is not None and due <= 0)],
    ids=["claim", "next_due"],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_claimed_while_the_drain_begins_goes_back_unstarted(
    open_store: Callable[[], Backend],
    manager: Make,
    verb: str,
    holds: Callable[[Any], bool],
    is_async: bool,
) -> None:
    store = HeldAnswers(open_store(), verb, holds)
    tasks = TaskManager(snapshot_backend=store, heartbeat_interval=0.05)
    accepting, later = manager(roles={"enqueue"}), manager()
    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)

    def plain(number: int) -> None:
        ran.append(number)

    for one in (tasks, accepting, later):
        one.task(persist=True, name="work")(work if is_async else plain)
    async with accepting:
        await tasks.startup()
        if verb == "next_due":
            await store.idle.wait()
        task_id, *_ = await accepting.enqueue(work if is_async else plain, 1)
        store.stored.set()
        await store.given.wait()
        engine = tasks.runtime.engine()
        stop = asyncio.create_task(tasks.shutdown())
        await wait_until(lambda: engine.draining)
        # It must not leave before the answer; whoever does so, does it at once.
        with suppress(TimeoutError):
            await asyncio.wait_for(store.leaving.wait(), 0.1)
        store.release.set()
        await stop

        record = await accepting.get(task_id)
        assert record is not None
        assert (record.status, record.instance, ran) == (TaskStatus.PENDING, None, [])

        async with later:
            assert await ended(later, task_id) is TaskStatus.SUCCESS
    assert ran == [1]
