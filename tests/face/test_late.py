"""Tasks added from threads, and after their request has ended."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    StoreUnavailable,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.exceptions import RequestClosed, StoreFull
from tests.support.exchanges import Exchange
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


class Kept:
    """An app whose endpoint keeps its tasks object beyond the request."""

    def __init__(self, tasks: TaskManager) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.ran: list[int] = []
        self.objects: list[ManagedBackgroundTasks] = []
        tasks.install(self.app)

        async def note(number: int) -> None:
            self.ran.append(number)

        async def plain(number: int) -> None:
            self.ran.append(number)

        self.durable = tasks.task(persist=True)(note)
        self.plain = tasks.task()(plain)

        @self.app.post("/")
        async def endpoint(background_tasks: ManagedBackgroundTasks) -> None:
            self.objects.append(background_tasks)

    async def closed(self) -> ManagedBackgroundTasks:
        """The tasks object of a request that has ended."""
        await Exchange(self.app, "POST", "/").task
        return self.objects[-1]


@pytest.fixture
def watched() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def kept(make_manager: Make, watched: WatchedStore) -> Kept:
    return Kept(make_manager(watched))


async def test_on_the_loop_a_durable_task_after_the_request_is_refused(kept: Kept) -> None:
    async with kept.tasks:
        background_tasks = await kept.closed()

        with pytest.raises(RequestClosed, match=r"await task_manager\.enqueue"):
            background_tasks.add_task(kept.durable, 1)
        background_tasks.add_task(kept.plain, 2)
        background_tasks.add_task(kept.plain, 3, priority=1)
        keyed = background_tasks.add_task(kept.plain, 4, idempotency_key="k")
        await wait_until(lambda: len(kept.ran) == 3)
        await wait_until(lambda: kept.tasks.store.get(keyed).status is TaskStatus.SUCCESS)  # type: ignore[union-attr]

    assert sorted(kept.ran) == [2, 3, 4]


async def test_a_thread_waits_until_its_task_is_stored(kept: Kept, watched: WatchedStore) -> None:
    async with kept.tasks:
        background_tasks = await kept.closed()
        watched.hold()
        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(background_tasks.add_task, kept.durable, 1)
            await wait_until(lambda: watched.waiting)
            assert not adding.done()
            watched.release()
            await wait_until(adding.done)
        await wait_until(lambda: kept.ran)
        assert kept.tasks.store.get(adding.result()) is not None

    assert kept.ran == [1]


async def test_a_thread_learns_that_its_task_could_not_be_stored(
    kept: Kept, watched: WatchedStore
) -> None:
    watched.refuse = StoreFull("no space")

    async with kept.tasks:
        background_tasks = await kept.closed()
        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(background_tasks.add_task, kept.durable, 1)
            await wait_until(adding.done)
        with pytest.raises(StoreUnavailable, match="no space"):
            adding.result()

    assert kept.ran == []
    assert kept.tasks.store.list() == []


def test_threads_of_a_plain_endpoint_add_to_its_commit(
    make_manager: Make, watched: WatchedStore
) -> None:
    kept = Kept(make_manager(watched))

    @kept.app.post("/threads")
    def endpoint(background_tasks: BackgroundTasks) -> None:
        with ThreadPoolExecutor(8) as pool:
            for number in range(200):
                pool.submit(background_tasks.add_task, kept.durable, number)

    with TestClient(kept.app) as client:
        assert client.post("/threads").is_success

    assert watched.inserts == [[200]]
    assert sorted(kept.ran) == list(range(200))


@pytest.mark.parametrize("round_", range(5))
def test_no_task_falls_between_two_stages_of_a_request(make_manager: Make, round_: int) -> None:
    kept = Kept(make_manager())
    threads: list[threading.Thread] = []
    ids: list[str] = []

    def add(background_tasks: Any) -> None:
        ids.extend(background_tasks.add_task(kept.durable, number) for number in range(100))

    @kept.app.post("/leave-behind")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        threads.extend(threading.Thread(target=add, args=(background_tasks,)) for _ in range(3))
        for thread in threads:
            thread.start()

    with TestClient(kept.app) as client:
        # The request goes through all its stages while the threads add.
        assert client.post("/leave-behind").is_success
        for thread in threads:
            thread.join(timeout=30)

    assert len(ids) == 300
    statuses = {record.task_id: record.status for record in kept.tasks.store.list()}
    assert statuses == dict.fromkeys(ids, TaskStatus.SUCCESS)
    assert sorted(kept.ran) == sorted([*range(100)] * 3)


async def test_an_object_that_outlives_its_engine_stays_closed(kept: Kept) -> None:
    async with kept.tasks:
        background_tasks = await kept.closed()

    with pytest.raises(RuntimeError, match="No engine"):
        background_tasks.add_task(kept.durable, 1)
    async with kept.tasks:
        with pytest.raises(RequestClosed):
            background_tasks.add_task(kept.durable, 2)
        background_tasks.add_task(kept.plain, 3)
        await wait_until(lambda: kept.ran)

    assert kept.ran == [3]


async def test_an_object_of_one_engine_works_with_the_next(kept: Kept) -> None:
    async with kept.tasks:
        unbound = ManagedBackgroundTasks(kept.tasks)
        unbound.add_task(kept.durable, 1)
        await unbound()
    async with kept.tasks:
        unbound.add_task(kept.durable, 2)
        await unbound()

    assert kept.ran == [1, 2]
