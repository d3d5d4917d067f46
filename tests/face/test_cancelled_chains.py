"""Requests that are cancelled, and clients that leave: stock and managed side by side."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from starlette.types import Message

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from tests.support.exchanges import Exchange
from tests.support.gates import Gate
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


def all_ended(tasks: TaskManager, count: int) -> bool:
    records = tasks.store.list()
    return len(records) == count and all(each.end_time is not None for each in records)


async def test_the_response_is_out_before_a_task_runs(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    gate = Gate()

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> str:
        background_tasks.add_task(gate.stand)
        return "sent"

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        assert await exchange.answered() == 200
        assert exchange.body == b'"sent"'
        await gate.reached()
        assert not exchange.task.done()
        gate.open()
        await exchange.task


@pytest.mark.parametrize("managed", [False, True])
@pytest.mark.parametrize("persist", [False, True])
async def test_cancelling_the_chain_cancels_no_managed_task(
    tasks: TaskManager, managed: bool, persist: bool
) -> None:
    app = FastAPI()
    if managed:
        tasks.install(app)
    gate = Gate()
    ran: list[str] = []

    async def stand() -> None:
        await gate.stand()
        ran.append("first")

    def note() -> None:
        ran.append("second")

    if managed:
        tasks.task(persist=persist)(stand)
        tasks.task(persist=persist)(note)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(stand)
        background_tasks.add_task(note)

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        await gate.reached()
        await exchange.cancelled()
        if managed:
            # The chain is gone: what it had not reached runs beside what it waited for.
            await wait_until(lambda: ran == ["second"])
        gate.open()
        if managed:
            await wait_until(lambda: all_ended(tasks, 2))

    # Documented: a server that cancels the request ends stock tasks with it.
    assert ran == (["second", "first"] if managed else [])


async def test_a_request_cancelled_in_its_endpoint_drops_its_tasks(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    gate = Gate()

    @tasks.task(persist=True)
    async def note() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note)
        background_tasks.add_task(gate.open)
        await gate.stand()

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        await gate.reached()
        await exchange.cancelled()

    assert tasks.store.list() == []
    assert gate.passed == 0


@pytest.mark.parametrize("priority", [None, 1])
async def test_what_is_stored_runs_though_its_request_was_cancelled_meanwhile(
    make_manager: Make, priority: int | None
) -> None:
    store = WatchedStore()
    tasks = make_manager(store)
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True, priority=priority)
    async def durable(word: str) -> None:
        ran.append(word)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(durable, "one")
        background_tasks.add_task(durable, "two")
        background_tasks.add_task(ran.append, "not durable")

    async with tasks:
        store.hold()
        exchange = Exchange(app, "POST", "/")
        await wait_until(lambda: store.waiting)
        await exchange.cancelled()
        assert exchange.messages == []
        store.release()
        await wait_until(lambda: all_ended(tasks, 2))

    assert sorted(ran) == ["one", "two"]
    assert store.inserts == [[2]]


@pytest.mark.parametrize("persist", [False, True])
async def test_tasks_run_when_the_client_leaves_a_stream(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    gate = Gate()
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def note(word: str) -> None:
        ran.append(word)

    async def body(background_tasks: BackgroundTasks) -> AsyncIterator[str]:
        background_tasks.add_task(note, "while streaming")
        yield "a"
        await gate.stand()

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(note, "before")
        return StreamingResponse(body(background_tasks))

    async with tasks:
        exchange = Exchange(app, "POST", "/")
        await gate.reached()
        exchange.disconnect()
        await exchange.task

    assert ran == ["before", "while streaming"]


async def test_tasks_run_when_sending_fails_because_the_client_left(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def durable() -> None:
        ran.append("durable")

    async def body() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(durable)
        background_tasks.add_task(ran.append, "not durable")
        return StreamingResponse(body())

    def refuse(message: Message) -> None:
        if message.get("body") == b"b":
            raise OSError("the client is gone")

    async with tasks:
        exchange = Exchange(app, "POST", "/", spec="2.4")
        exchange.on_send = refuse
        await asyncio.wait([exchange.task])
        assert type(exchange.task.exception()).__name__ == "ClientDisconnect"
        await wait_until(lambda: all_ended(tasks, 2))

    assert sorted(ran) == ["durable", "not durable"]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


async def test_awaiting_tasks_outside_a_request_may_be_cancelled(tasks: TaskManager) -> None:
    gate = Gate()
    ran: list[str] = []

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(gate.stand)
        unbound.add_task(ran.append, "second")
        running = asyncio.create_task(unbound())
        await gate.reached()
        running.cancel()
        await asyncio.wait([running])
        await wait_until(lambda: ran)
        gate.open()
        await wait_until(lambda: all_ended(tasks, 2))

    assert gate.passed == 1
