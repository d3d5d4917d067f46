"""Eager tasks start when they are added, not when the response is out."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import ManagedBackgroundTasks, QueueConfig, TaskManager, TaskStatus
from fastapi_taskflow.exceptions import StoreFull
from tests.support.exchanges import Exchange
from tests.support.gates import Gate
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("how", ["decorator", "argument"])
async def test_an_eager_task_runs_beside_its_endpoint(
    make_manager: Make, persist: bool, how: str
) -> None:
    watched = WatchedStore()
    tasks = make_manager(watched, queues={"slow": QueueConfig()})
    app = FastAPI()
    tasks.install(app)
    started = asyncio.Event()
    gate = Gate()

    @tasks.task(persist=persist, eager=how == "decorator", priority=5, queue="slow")
    async def eager() -> None:
        started.set()
        await gate.stand()

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> str:
        if how == "decorator":
            background_tasks.add_task(eager)
        else:
            background_tasks.add_task(eager, eager=True)
        await asyncio.wait_for(started.wait(), 5)
        return "sent"

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        assert await exchange.answered() == 200
        await exchange.task  # nothing in the chain waits for it
        assert gate.passed == 0
        gate.open()
        await wait_until(lambda: gate.passed)

    assert watched.inserts == ([[1]] if persist else [])
    (record,) = tasks.store.list()
    assert record.queue == "slow"


def test_an_eager_task_of_a_plain_endpoint_runs_beside_it(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    started = {True: threading.Event(), False: threading.Event()}

    @tasks.task(eager=True)
    async def eager() -> None:
        started[False].set()

    @tasks.task(eager=True, persist=True)
    async def durable() -> None:
        started[True].set()

    @app.post("/")
    def endpoint(background_tasks: BackgroundTasks) -> bool:
        background_tasks.add_task(eager)
        background_tasks.add_task(durable)
        return started[True].wait(5) and started[False].wait(5)

    with TestClient(app) as client:
        assert client.post("/").json() is True


async def test_eager_can_be_turned_off_for_one_task(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    order: list[str] = []

    @tasks.task(eager=True)
    async def eager() -> None:
        order.append("task")

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(eager, eager=False)
        await asyncio.sleep(0)
        order.append("endpoint")

    async with tasks:
        await Exchange(app, "POST", "/").task

    assert order == ["endpoint", "task"]


async def test_the_response_waits_for_the_commit_of_an_eager_task(make_manager: Make) -> None:
    watched = WatchedStore()
    tasks = make_manager(watched)
    app = FastAPI()
    tasks.install(app)
    returned = asyncio.Event()

    @tasks.task(persist=True, eager=True)
    async def eager() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(eager)
        returned.set()

    async with tasks:
        watched.hold()
        exchange = Exchange(app, "POST", "/")
        await returned.wait()
        await wait_until(lambda: watched.waiting)
        for _ in range(20):
            await asyncio.sleep(0)
        assert exchange.messages == []
        watched.release()
        assert await exchange.answered() == 200
        await exchange.task
        await wait_until(lambda: tasks.store.list()[0].end_time)

    assert watched.inserts == [[1]]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


@pytest.mark.parametrize("others", [False, True])
async def test_an_eager_task_that_cannot_be_stored_means_503(
    make_manager: Make, others: bool
) -> None:
    watched = WatchedStore()
    watched.refuse = StoreFull("no space")
    tasks = make_manager(watched)
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def durable(word: str) -> None:
        ran.append(word)

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(durable, "eager", eager=True)
        if others:
            background_tasks.add_task(durable, "later")
            background_tasks.add_task(ran.append, "not durable")

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        assert await exchange.answered() == 503
        await exchange.task
        assert tasks.store.list() == []

    assert ran == []


@pytest.mark.parametrize("persist", [False, True])
async def test_a_later_raise_in_the_endpoint_undoes_no_eager_task(
    make_manager: Make, persist: bool
) -> None:
    watched = WatchedStore()
    tasks = make_manager(watched)
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def note(word: str) -> None:
        ran.append(word)

    @app.post("/")
    async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(note, "later")
        background_tasks.add_task(note, "eager", eager=True)
        raise LookupError

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        await asyncio.wait([exchange.task])
        assert exchange.status == 500
        assert isinstance(exchange.task.exception(), LookupError)
        await wait_until(lambda: ran)

    assert ran == ["eager"]
    assert [record.args for record in tasks.store.list()] == [("eager",)]
