"""Tasks added from threads and from event loops that are not the engine's."""

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    EngineNotRunning,
    ManagedBackgroundTasks,
    TaskArgumentError,
    TaskManager,
)
from fastapi_taskflow.exceptions import StoreFull, WrongThread
from fastapi_taskflow.testing import async_drain, drain
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


def in_thread_with_a_loop(make: Callable[[], Any]) -> Any:
    """Run a coroutine to its end on a new event loop in a new thread."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(make()))
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert answers, "it hangs"
    return answers[0]


class Shop:
    """An app with tasks of each kind."""

    def __init__(self, tasks: TaskManager) -> None:
        self.tasks = tasks
        self.app = FastAPI()
        self.ran: list[str] = []
        tasks.install(self.app)

        async def durable() -> None:
            self.ran.append("durable")

        async def plain() -> None:
            self.ran.append("plain")

        def in_thread() -> None:
            self.ran.append("in_thread")

        self.kinds: dict[str, Any] = {
            "durable": tasks.task(persist=True)(durable),
            "plain": tasks.task()(plain),
            "in_thread": tasks.task()(in_thread),
        }
        self.app.post("/add/{kind}")(self.add)
        self.app.post("/queue/{kind}")(self.queue)
        self.app.post("/eager/{kind}")(self.eager)
        self.app.post("/from-thread/{kind}")(self.add_in_thread)
        self.app.post("/enqueue/{kind}")(self.enqueue)

    async def add(self, kind: str, background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(self.kinds[kind])

    def add_in_thread(self, kind: str, background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(self.kinds[kind])

    async def queue(self, kind: str, background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(self.kinds[kind], priority=1)

    async def eager(self, kind: str, background_tasks: ManagedBackgroundTasks) -> None:
        background_tasks.add_task(self.kinds[kind], eager=True)

    async def enqueue(self, kind: str) -> None:
        await self.tasks.enqueue(self.kinds[kind])


@pytest.mark.parametrize("entered", [False, True])
@pytest.mark.parametrize("kind", ["durable", "plain", "in_thread"])
@pytest.mark.parametrize("route", ["add", "queue", "eager", "from-thread", "enqueue"])
def test_a_second_client_uses_the_engine_of_the_first(
    tasks: TaskManager, route: str, kind: str, entered: bool
) -> None:
    shop = Shop(tasks)

    with TestClient(shop.app) as first:
        second = TestClient(shop.app)
        if entered:
            with second:
                assert second.post(f"/{route}/{kind}").is_success
        else:
            assert second.post(f"/{route}/{kind}").is_success
        drain(tasks)
        assert first.post(f"/{route}/{kind}").is_success
        drain(tasks)

    assert shop.ran == [kind, kind]


def test_a_store_that_refuses_says_so_on_every_loop(make_manager: Make) -> None:
    store = WatchedStore()
    shop = Shop(make_manager(store))

    with TestClient(shop.app):
        store.refuse = StoreFull("no space")
        answer = TestClient(shop.app).post("/add/durable")
        assert answer.status_code == 503
        store.refuse = None

    assert shop.ran == []
    assert shop.tasks.store.list() == []


def test_an_engine_ends_with_its_own_client(tasks: TaskManager) -> None:
    shop = Shop(tasks)

    with TestClient(shop.app), TestClient(shop.app) as second:
        pass
    with pytest.raises(EngineNotRunning):
        second.post("/add/durable")
    with TestClient(shop.app) as again:
        assert again.post("/add/durable").is_success

    assert shop.ran == ["durable"]


async def test_enqueue_works_from_a_loop_in_a_thread(tasks: TaskManager) -> None:
    shop = Shop(tasks)

    async with tasks:
        for number, func in enumerate(shop.kinds.values()):
            answer = await asyncio.to_thread(
                in_thread_with_a_loop, functools.partial(tasks.enqueue, func)
            )
            assert answer.duplicate is False
            await async_drain(tasks)
            assert len(shop.ran) == number + 1

    assert shop.ran == list(shop.kinds)


async def test_an_object_is_awaited_on_a_loop_in_a_thread(tasks: TaskManager) -> None:
    shop = Shop(tasks)

    async def add_and_await() -> list[str]:
        unbound = ManagedBackgroundTasks(tasks)
        for func in shop.kinds.values():
            unbound.add_task(func)
        await unbound()
        return list(shop.ran)

    async with tasks:
        ran = await asyncio.to_thread(in_thread_with_a_loop, add_and_await)

    assert ran == list(shop.kinds)


async def test_a_loop_that_stands_still_is_an_error_before_anything_is_stored(
    tasks: TaskManager,
) -> None:
    shop = Shop(tasks)
    loop = asyncio.new_event_loop()
    in_loop = lambda step: asyncio.to_thread(loop.run_until_complete, step)  # noqa: E731
    await in_loop(tasks.startup())
    try:
        with pytest.raises(EngineNotRunning, match="event loop"):
            await tasks.enqueue(shop.kinds["durable"])
    finally:
        await in_loop(tasks.shutdown())
        loop.close()

    assert shop.ran == []


async def test_a_thread_enqueues_and_knows_when_it_is_stored(make_manager: Make) -> None:
    store = WatchedStore()
    shop = Shop(make_manager(store))
    tasks = shop.tasks

    async with tasks:
        for kind in shop.kinds:
            answer = await asyncio.to_thread(
                tasks.enqueue_sync, shop.kinds[kind], tags={"kind": kind}
            )
            assert tasks.store.get(answer.task_id) is not None
        assert store.inserts == [[1]]
        await wait_until(lambda: len(shop.ran) == 3)
        key: dict[str, Any] = {"idempotency_key": "once"}
        first = await asyncio.to_thread(tasks.enqueue_sync, shop.kinds["durable"], **key)
        second = await asyncio.to_thread(tasks.enqueue_sync, shop.kinds["durable"], **key)
        assert (second.task_id, second.duplicate) == (first.task_id, True)


async def test_a_plain_task_enqueues_the_next_one(tasks: TaskManager) -> None:
    ran: list[str] = []

    @tasks.task(persist=True)
    def child() -> None:
        ran.append("child")

    @tasks.task(persist=True)
    def parent() -> None:
        ran.append("parent")
        tasks.enqueue_sync(child)

    async with tasks:
        await tasks.enqueue(parent)
        await async_drain(tasks)

    assert ran == ["parent", "child"]


async def test_the_engines_own_loop_is_not_blocked(tasks: TaskManager) -> None:
    shop = Shop(tasks)

    async with tasks:
        with pytest.raises(WrongThread, match=r"await task_manager\.enqueue"):
            tasks.enqueue_sync(shop.kinds["durable"])
        assert tasks.store.list() == []


async def test_without_an_engine_a_thread_learns_it(tasks: TaskManager) -> None:
    shop = Shop(tasks)
    for _ in range(2):
        with pytest.raises(EngineNotRunning):
            await asyncio.to_thread(tasks.enqueue_sync, shop.kinds["plain"])
        async with tasks:
            pass


async def test_a_thread_learns_why_its_task_was_refused(make_manager: Make) -> None:
    store = WatchedStore()
    shop = Shop(make_manager(store))

    async with shop.tasks:
        store.refuse = StoreFull("no space")
        with pytest.raises(StoreFull):
            await asyncio.to_thread(shop.tasks.enqueue_sync, shop.kinds["durable"])
        with pytest.raises(TaskArgumentError):
            await asyncio.to_thread(shop.tasks.enqueue_sync, shop.kinds["durable"], object())
        store.refuse = None
        await asyncio.to_thread(shop.tasks.enqueue_sync, shop.kinds["durable"])
        await wait_until(lambda: shop.ran == ["durable"])
