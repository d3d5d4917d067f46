"""`anyio.from_thread` in plain functions, as in the threads of stock FastAPI."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import from_thread
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskManager, get_task_context
from fastapi_taskflow.testing import async_drain
from tests.support.gates import Gate, ThreadGate

Make = Callable[..., TaskManager]

sent: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


async def send(text: str) -> str:
    await asyncio.sleep(0)
    sent.append(text)
    return f"sent {text}"


async def fail() -> None:
    raise LookupError("no such room")


def note_sync(text: str) -> str:
    sent.append(text)
    return f"noted {text}"


def run(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:
        return repr(error)


CALLS: dict[str, Callable[[], Any]] = {
    "run": lambda: from_thread.run(send, "a"),
    "run_sync": lambda: from_thread.run_sync(note_sync, "b"),
    "check_cancelled": from_thread.check_cancelled,
    "an error": lambda: from_thread.run(fail),
    "the loop's thread": lambda: from_thread.run_sync(threading.get_ident) == threading.get_ident(),
    "a loop of its own": lambda: anyio.run(send, "c"),
    "a coroutine function in a sync call": lambda: run(
        lambda: asyncio.iscoroutine(from_thread.run_sync(lambda: None))
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_plain_function_calls_back_as_in_stock(make_manager: Make, name: str) -> None:
    def answers(tasks: TaskManager | None) -> list[Any]:
        sent.clear()
        app, found = FastAPI(), []
        if tasks is not None:
            tasks.install(app)

        @app.post("/")
        async def add(background_tasks: BackgroundTasks) -> None:
            background_tasks.add_task(lambda: found.append(run(CALLS[name])))

        with TestClient(app) as client:
            client.post("/")
        return [*found, *sent]

    stock = answers(None)
    assert len(stock) >= 1
    assert answers(make_manager()) == stock


@pytest.mark.parametrize("persist", [False, True])
async def test_what_is_called_back_belongs_to_the_task(tasks: TaskManager, persist: bool) -> None:
    async def name() -> None:
        context = get_task_context()
        sent.append(context.func_name if context else None)

    @tasks.task(persist=persist)
    def work() -> None:
        from_thread.run(name)
        from_thread.run(name)

    async with tasks:
        await tasks.enqueue(work)
        await async_drain(tasks)

    assert sent == ["work", "work"]


async def test_a_thread_asks_anyio_whether_it_was_cancelled(tasks: TaskManager) -> None:
    gate = ThreadGate()

    def work() -> None:
        gate.stand()
        from_thread.check_cancelled()
        sent.append("went on")

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        await asyncio.to_thread(gate.wait_for_arrival)
        await tasks.cancel(task_id)
        gate.open()
        await async_drain(tasks)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == "cancelled"
    assert sent == []


@pytest.mark.parametrize("reason", ["cancel", "timeout"])
async def test_a_thread_that_waits_for_the_loop_ends_with_its_task(
    tasks: TaskManager, reason: str
) -> None:
    gate = Gate()

    @tasks.task(timeout=0.05 if reason == "timeout" else None)
    def work() -> None:
        try:
            from_thread.run(gate.stand)
        except asyncio.CancelledError:
            sent.append("stopped")
            raise

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        await gate.reached()
        if reason == "cancel":
            await tasks.cancel(task_id)
        await async_drain(tasks)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == ("cancelled" if reason == "cancel" else "failed")
    assert sent == ["stopped"]
    assert gate.passed == 0


async def test_a_plain_task_adds_the_next_one(tasks: TaskManager) -> None:
    @tasks.task(persist=True)
    async def child() -> None:
        sent.append("child")

    @tasks.task(persist=True)
    def parent() -> None:
        sent.append(from_thread.run(tasks.enqueue, child).duplicate)

    async with tasks:
        await tasks.enqueue(parent)
        await async_drain(tasks)

    # The child may be quicker than its parent, which only then hears of it.
    assert sorted(sent, key=str) == [False, "child"]
