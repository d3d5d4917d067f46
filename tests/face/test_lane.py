"""The request lane: what a response's background chain waits for, and what not."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    MemoryBackend,
    QueueConfig,
    Snooze,
    TaskManager,
    TaskStatus,
)
from tests.support.exchanges import Exchange
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Lane:
    """An app whose endpoint adds the functions that a test gave it, in order."""

    def __init__(self, tasks: TaskManager, *, persist: bool) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.ran: list[str] = []
        self.gate = Gate()
        self._persist = persist
        self._functions: list[Callable[..., object]] = []
        tasks.install(self.app)

        @self.app.post("/")
        async def endpoint(background_tasks: BackgroundTasks) -> None:
            for function in self._functions:
                background_tasks.add_task(function)

    def add(self, function: Callable[..., object], **settings: object) -> None:
        """Add a function to all requests, as a task."""
        register = self.tasks.task(persist=self._persist, **settings)  # type: ignore[call-overload]
        self._functions.append(register(function))

    def add_note(self, word: str) -> None:
        """Add a task that notes a word."""

        async def note() -> None:
            self.ran.append(word)

        self.add(note, name=f"note {word}")

    def add_gate(self) -> None:
        """Add a task that stands at the gate."""

        async def stand() -> None:
            self.ran.append("at the gate")
            await self.gate.stand()
            self.ran.append("behind the gate")

        self.add(stand)

    def request(self) -> Exchange:
        return Exchange(self.app, "POST", "/")

    def all_ended(self, count: int) -> bool:
        records = self.tasks.store.list()
        return len(records) == count and all(each.end_time is not None for each in records)


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def persist(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("is_async", [True, False])
def test_a_retry_without_delay_runs_in_place(
    make_manager: Make, persist: bool, is_async: bool
) -> None:
    lane = Lane(make_manager(), persist=persist)

    def flaky() -> None:
        lane.ran.append("try")
        if lane.ran.count("try") < 3:
            raise LookupError

    async def async_flaky() -> None:
        flaky()

    lane.add(async_flaky if is_async else flaky, retries=2)
    lane.add_note("next")

    with TestClient(lane.app) as client:
        assert client.post("/").is_success

    assert lane.ran == ["try", "try", "try", "next"]
    assert lane.all_ended(2)


async def test_a_delayed_retry_leaves_the_lane(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(), persist=persist)
    may_end = asyncio.Event()

    async def flaky() -> None:
        lane.ran.append("try")
        if lane.ran.count("try") == 1:
            raise LookupError
        await may_end.wait()

    lane.add(flaky, retries=1, delay=0.05)
    lane.add_note("next")

    async with lane.tasks:
        await lane.request().task
        assert lane.ran == ["try", "next"]
        await wait_until(lambda: lane.ran == ["try", "next", "try"])
        may_end.set()
        await wait_until(lambda: lane.all_ended(2))

    assert {record.status for record in lane.tasks.store.list()} == {TaskStatus.SUCCESS}


async def test_a_snooze_leaves_the_lane(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(), persist=persist)

    async def patient() -> None:
        lane.ran.append("look")
        if lane.ran.count("look") == 1:
            raise Snooze(0.05)

    lane.add(patient)
    lane.add_note("next")

    async with lane.tasks:
        await lane.request().task
        assert lane.ran == ["look", "next"]
        await wait_until(lambda: lane.ran == ["look", "next", "look"])
        await wait_until(lambda: lane.all_ended(2))


async def test_tasks_of_a_paused_queue_hold_no_connection(
    make_manager: Make, persist: bool
) -> None:
    lane = Lane(make_manager(), persist=persist)
    lane.add_note("one")
    lane.add_note("two")

    async with lane.tasks:
        await lane.tasks.pause("default")
        await asyncio.wait_for(lane.request().task, 0.9)
        assert lane.ran == []
        assert {each.status for each in await lane.tasks.merged_list()} == {TaskStatus.PENDING}
        await lane.tasks.resume("default")
        await wait_until(lambda: lane.all_ended(2))

    assert sorted(lane.ran) == ["one", "two"]


async def test_without_a_slot_for_a_second_the_chain_lets_go(
    make_manager: Make, persist: bool
) -> None:
    lane = Lane(make_manager(max_concurrent_tasks=1), persist=persist)
    lane.add_gate()

    async with lane.tasks:
        first = lane.request()
        await lane.gate.reached()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await lane.request().task
        assert 0.8 < loop.time() - begun < 5
        # The chain of a task that runs waits for it, however long.
        assert not first.task.done()
        assert lane.ran == ["at the gate"]
        lane.gate.open()
        await first.task
        await wait_until(lambda: lane.all_ended(2))

    assert lane.ran == ["at the gate", "behind the gate"] * 2


async def test_a_task_that_gets_its_slot_in_time_stays(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(max_concurrent_tasks=1), persist=persist)
    lane.add_gate()

    async with lane.tasks:
        first, second = lane.request(), lane.request()
        await lane.gate.reached()
        for exchange in (first, second):
            assert await exchange.answered() == 200
        lane.gate.open()
        await second.task
        assert lane.all_ended(2)
        await first.task


async def test_a_detached_lane_holds_no_connection(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(request_lane="detached"), persist=persist)
    lane.add_gate()
    lane.add_note("other")

    async with lane.tasks:
        await lane.request().task
        await lane.gate.reached()
        await wait_until(lambda: "other" in lane.ran)
        assert lane.gate.passed == 0
        lane.gate.open()
        await wait_until(lambda: lane.all_ended(2))

    # Once each, though the chain came to them as well.
    assert sorted(lane.ran) == ["at the gate", "behind the gate", "other"]


async def test_tasks_with_a_priority_or_a_queue_are_not_in_the_lane(
    make_manager: Make, persist: bool
) -> None:
    lane = Lane(make_manager(queues={"mail": QueueConfig()}), persist=persist)
    lane.add_gate()
    lane.add(lambda: lane.ran.append("priority"), priority=0, name="with priority")
    lane.add(lambda: lane.ran.append("queue"), queue="mail", name="with queue")

    async with lane.tasks:
        exchange = lane.request()
        await wait_until(lambda: len(lane.ran) == 3)
        assert sorted(lane.ran) == ["at the gate", "priority", "queue"]
        assert not exchange.task.done()
        lane.gate.open()
        await exchange.task
        assert {record.queue for record in lane.tasks.store.list()} == {"default", "mail"}


async def test_tasks_beside_the_lane_wait_for_the_response(make_manager: Make) -> None:
    lane = Lane(make_manager(), persist=False)
    ran: list[str] = []

    @lane.app.post("/other")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(ran.append, "task", priority=1)
        for _ in range(5):
            await asyncio.sleep(0)
        ran.append("endpoint")

    async with lane.tasks:
        await Exchange(lane.app, "POST", "/other").task
        await wait_until(lambda: ran == ["endpoint", "task"])


async def test_lane_tasks_take_slots_and_show_the_default_queue(
    make_manager: Make, persist: bool
) -> None:
    lane = Lane(make_manager(), persist=persist)
    lane.add_gate()

    async with lane.tasks:
        exchange = lane.request()
        await lane.gate.reached()
        (stats,) = lane.tasks.queue_stats()
        lane.gate.open()
        await exchange.task

    assert stats["name"] == "default"
    assert stats["running"] == 1


async def test_an_instance_that_executes_nothing_uses_no_lane(make_manager: Make) -> None:
    shared = MemoryBackend()
    web = Lane(make_manager(shared, roles={"enqueue", "observe"}), persist=True)
    worker = Lane(make_manager(shared), persist=True)
    for each in (web, worker):
        each.add_gate()

    async with web.tasks:
        await web.request().task
        assert web.ran == []
        async with worker.tasks:
            await worker.gate.reached()
            worker.gate.open()
            await wait_until(lambda: worker.gate.passed)

    assert web.ran == []


async def test_what_is_not_durable_runs_where_it_was_added(make_manager: Make) -> None:
    lane = Lane(make_manager(roles={"enqueue"}), persist=False)
    lane.add_gate()

    async with lane.tasks:
        await lane.request().task
        await lane.gate.reached()
        lane.gate.open()
        await wait_until(lambda: lane.all_ended(1))


async def test_a_draining_instance_clears_its_lanes(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(max_concurrent_tasks=1), persist=persist)
    lane.add_gate()

    async with lane.tasks:
        first, second = lane.request(), lane.request()
        await lane.gate.reached()
        await wait_until(lambda: len(lane.tasks.store.list()) == 2)
        for exchange in (first, second):
            assert await exchange.answered() == 200
        lane.tasks.runtime.engine().begin_drain()
        # The one that has no slot is let go at once, the other is waited for.
        await wait_until(lambda: first.task.done() != second.task.done())
        assert lane.gate.passed == 0
        third = lane.request()
        assert await third.answered() == 200
        await third.task
        lane.gate.open()
        await asyncio.wait([first.task, second.task])

    records = lane.tasks.store.list()
    # What is durable waits in the store for others; the rest has run before the end.
    expected = {TaskStatus.SUCCESS, TaskStatus.PENDING} if persist else {TaskStatus.SUCCESS}
    assert {record.status for record in records} == expected


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit()]
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_whatever_a_task_raises_the_chain_goes_on(
    make_manager: Make, persist: bool, error: BaseException, is_async: bool
) -> None:
    lane = Lane(make_manager(), persist=persist)

    def fail() -> None:
        raise error

    async def async_fail() -> None:
        raise error

    lane.add(async_fail if is_async else fail)
    lane.add_note("next")

    async with lane.tasks:
        exchange = lane.request()
        await exchange.task
        again = lane.request()
        await again.task

    assert (exchange.status, again.status) == (200, 200)
    assert lane.ran == ["next", "next"]
    statuses = [record.status for record in lane.tasks.store.list()]
    assert statuses.count(TaskStatus.FAILED) == 2


async def test_a_task_that_cancels_itself_fails_alone(make_manager: Make, persist: bool) -> None:
    lane = Lane(make_manager(), persist=persist)

    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    lane.add(cancel_itself)
    lane.add_note("next")

    async with lane.tasks:
        await lane.request().task

    assert lane.ran == ["next"]
    assert {record.status for record in lane.tasks.store.list()} == {
        TaskStatus.FAILED,
        TaskStatus.SUCCESS,
    }


async def test_cancelling_a_task_of_the_lane_lets_the_next_one_run(
    make_manager: Make, persist: bool
) -> None:
    lane = Lane(make_manager(), persist=persist)
    lane.add_gate()
    lane.add_note("next")

    async with lane.tasks:
        exchange = lane.request()
        await lane.gate.reached()
        (standing,) = [r for r in lane.tasks.store.list() if r.status is TaskStatus.RUNNING]
        await lane.tasks.cancel(standing.task_id)
        await exchange.task
        record = await lane.tasks.get(standing.task_id)

    assert record is not None
    assert record.status is TaskStatus.CANCELLED
    assert lane.ran == ["at the gate", "next"]
