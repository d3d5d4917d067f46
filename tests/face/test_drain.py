"""`drain` of `fastapi_taskflow.testing`: until nothing is due and nothing runs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import Backend, QueueConfig, Snooze, TaskManager, get_task_context
from fastapi_taskflow.exceptions import ConfigurationError, EngineNotRunning
from fastapi_taskflow.testing import async_drain, drain
from tests.support.gates import Gate

Make = Callable[..., TaskManager]


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def persist(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def tasks(make_manager: Make, store: Backend) -> TaskManager:
    return make_manager(store, queues={"mail": QueueConfig(concurrency=1)})


def test_what_runs_beside_the_response_has_ended(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[int] = []

    @tasks.task(persist=persist, queue="mail")
    async def send(number: int) -> None:
        await asyncio.sleep(0.01)
        ran.append(number)
        if number < 3:
            await tasks.enqueue(send, number + 1)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(send, 1)

    with TestClient(app) as client:
        client.post("/")
        drain(tasks)

        assert ran == [1, 2, 3]


async def add_delayed(tasks: TaskManager, ran: list[str], *, persist: bool, delay: float) -> None:
    """Tasks that begin, or begin once more, after so many seconds."""

    @tasks.task(persist=persist, retries=1, delay=delay)
    async def flaky() -> None:
        ran.append("flaky")
        if ran.count("flaky") == 1:
            raise ConnectionError

    @tasks.task(persist=persist)
    async def sleepy() -> None:
        ran.append("sleepy")
        if ran.count("sleepy") == 1:
            raise Snooze(delay)

    @tasks.task(persist=persist)
    async def later(how: str) -> None:
        ran.append(how)

    await tasks.enqueue(flaky)
    await tasks.enqueue(sleepy)
    await tasks.enqueue(later, "delay", delay=delay)
    await tasks.enqueue(later, "run_at", run_at=datetime.now(UTC) + timedelta(seconds=delay))


async def test_later_due_times_are_left_alone(tasks: TaskManager, persist: bool) -> None:
    ran: list[str] = []

    async with tasks:
        await add_delayed(tasks, ran, persist=persist, delay=3600.0)
        await async_drain(tasks)

        assert sorted(ran) == ["flaky", "sleepy"]


async def test_later_due_times_are_waited_for_if_asked(tasks: TaskManager, persist: bool) -> None:
    ran: list[str] = []

    async with tasks:
        await add_delayed(tasks, ran, persist=persist, delay=0.1)
        await async_drain(tasks, delayed=True)

        assert sorted(ran) == ["delay", "flaky", "flaky", "run_at", "sleepy", "sleepy"]


async def test_due_times_are_waited_for_as_far_ahead_as_asked(
    tasks: TaskManager, persist: bool
) -> None:
    ran: list[str] = []

    async with tasks:
        await add_delayed(tasks, ran, persist=persist, delay=0.1)

        @tasks.task(persist=persist)
        async def hourly() -> None:
            ran.append("hourly")

        await tasks.enqueue(hourly, delay=3600.0)
        await async_drain(tasks, delayed=60, timeout=60)

        assert sorted(ran) == ["delay", "flaky", "flaky", "run_at", "sleepy", "sleepy"]


@pytest.mark.parametrize("delayed", [-1, "1", None])
async def test_what_is_no_span_is_refused(tasks: TaskManager, delayed: Any, persist: bool) -> None:
    async with tasks:
        with pytest.raises(ConfigurationError, match="delayed takes seconds from 0 up"):
            await async_drain(tasks, delayed=delayed)


async def test_what_has_not_ended_in_time_is_named(tasks: TaskManager, persist: bool) -> None:
    gate = Gate()

    @tasks.task(persist=persist, queue="mail")
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        running = (await tasks.enqueue(stand)).task_id
        await gate.reached()
        waiting = (await tasks.enqueue(stand)).task_id

        with pytest.raises(TimeoutError, match=r"Not drained within 0\.05 s: ") as caught:
            await async_drain(tasks, timeout=0.05)
        gate.open()
        await async_drain(tasks)

    assert f"stand ({running}) is running" in str(caught.value)
    assert f"stand ({waiting}) is pending" in str(caught.value)


async def test_a_paused_queue_is_left_alone(tasks: TaskManager, persist: bool) -> None:
    ran: list[bool] = []

    @tasks.task(persist=persist, queue="mail")
    async def send() -> None:
        ran.append(True)

    async with tasks:
        await tasks.pause("mail")
        await tasks.enqueue(send)
        await async_drain(tasks, delayed=True)
        assert not ran
        await tasks.resume("mail")
        await async_drain(tasks)
        assert ran


async def test_an_unknown_function_is_called_so(make_manager: Make, store: Backend) -> None:
    async def gone() -> None: ...

    first, second = make_manager(store, roles=["enqueue"]), make_manager(store)
    first.task(persist=True)(gone)
    async with first:
        await first.enqueue(gone)

    async with second:
        with pytest.raises(TimeoutError, match="no function of this name is registered here"):
            await async_drain(second, timeout=0.05)


async def test_it_works_from_another_loop_and_refuses_to_block_its_own(
    tasks: TaskManager, persist: bool
) -> None:
    ran: list[bool] = []

    @tasks.task(persist=persist)
    def work() -> None:
        ran.append(get_task_context() is not None)

    async with tasks:
        await tasks.enqueue(work)
        await asyncio.to_thread(asyncio.run, async_drain(tasks))
        assert ran == [True]
        with pytest.raises(RuntimeError, match="await async_drain"):
            drain(tasks)


def test_without_an_engine_it_says_so(tasks: TaskManager) -> None:
    with pytest.raises(EngineNotRunning):
        drain(tasks)
