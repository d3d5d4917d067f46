"""What an app that was written for the older package calls, and what it gets."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ConfigurationError,
    ManagedBackgroundTasks,
    QueueConfig,
    TaskAdmin,
    TaskManager,
    TaskStatus,
    task_log,
)
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.testing import async_drain
from fastapi_taskflow.words.ids import new_id
from tests.support.waiting import wait_until

LIMITS = {"concurrency": 2, "max_size": 50, "paused": False}
NUMBERS = {"pending": 0, "running": 0, "finished": 0, "rejected": 0}


def running(manager, queue="mail"):
    return next(one["running"] for one in manager.queue_stats() if one["name"] == queue)


@asynccontextmanager
async def released(gate):
    """What stands at the gate may pass in any case."""
    try:
        yield
    finally:
        gate.set()


@pytest.fixture
def manager():
    return TaskManager(queues={"mail": QueueConfig(concurrency=2, max_size=50)})


# get_tasks


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("by_name", [True, False])
def test_get_tasks_called_directly_wraps_the_tasks_of_the_request(
    manager: TaskManager, installed: bool, by_name: bool
) -> None:
    app = FastAPI()
    TaskAdmin(app, manager, auto_install=installed)
    ran: list[int] = []

    @manager.task()
    def work(number: int) -> None:
        ran.append(number)

    @app.post("/run")
    def run(background_tasks: BackgroundTasks) -> str:
        given = {"background_tasks": background_tasks} if by_name else {}
        tasks = manager.get_tasks(**given) if by_name else manager.get_tasks(background_tasks)
        assert isinstance(tasks, ManagedBackgroundTasks)
        return str(tasks.add_task(work, 7))

    with TestClient(app) as client:
        task_id = client.post("/run").json()
        assert client.get(f"/tasks/{task_id}").json()["status"] == "success"

    assert ran == [7]


def test_wrapping_a_stock_object_never_stores_less_than_was_asked_for(tmp_path: Path) -> None:
    manager = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app = FastAPI()
    manager.init_app(app)

    @manager.task(persist=True)
    def work() -> None: ...

    @app.post("/run")
    def run(background_tasks: BackgroundTasks) -> None:
        with pytest.raises(ConfigurationError, match="work"):
            manager.get_tasks(background_tasks).add_task(work)

    with TestClient(app) as client:
        assert client.post("/run").status_code == 200


def test_as_a_dependency_it_is_awaited_on_the_event_loop(manager):
    app = FastAPI()
    manager.init_app(app)

    @app.post("/run")
    async def run(tasks=Depends(manager.get_tasks)):  # noqa: B008
        return isinstance(tasks, ManagedBackgroundTasks)

    with TestClient(app) as client:
        assert client.post("/run").json() is True
    assert asyncio.iscoroutinefunction(manager.get_tasks.__wrapped__)


# Queues


def test_before_a_start_queues_are_as_configured(manager):
    default = {"name": "default", "concurrency": None, "max_size": None, "paused": False}

    assert manager.queue_stats() == [default | NUMBERS, {"name": "mail"} | LIMITS | NUMBERS]


async def test_a_change_of_a_queue_answers_how_it_stands(manager):
    async with manager:
        answer = manager.update_queue_config("mail", concurrency=5, max_size=100)

        assert answer == {"name": "mail"} | LIMITS | NUMBERS | {"concurrency": 5, "max_size": 100}
        assert answer in manager.queue_stats()


async def test_a_queue_is_changed_from_a_thread_and_what_waits_may_start(manager):
    gate = asyncio.Event()

    @manager.task(queue="mail")
    async def work():
        await gate.wait()

    async with manager, released(gate):
        for _ in range(3):
            await manager.enqueue(work)
        await wait_until(lambda: running(manager) == 2)

        answer = await asyncio.to_thread(manager.update_queue_config, "mail", 3, None)

        assert (answer["concurrency"], answer["max_size"]) == (3, None)
        await wait_until(lambda: running(manager) == 3)


async def test_an_unknown_queue_is_a_missing_key_with_a_readable_text(manager):
    async with manager:
        with pytest.raises(KeyError) as missing:
            manager.update_queue_config("mial", concurrency=1)

    assert str(missing.value).startswith("No queue is named 'mial'. Did you mean 'mail'?")


# Lists


async def test_the_merged_list_works_before_a_start(manager):
    assert await manager.merged_list() == []


async def test_the_merged_list_lays_live_records_over_stored_ones(manager):
    gate = asyncio.Event()

    @manager.task()
    async def work():
        await gate.wait()

    async with manager, released(gate):
        task_id = (await manager.enqueue(work)).task_id
        await wait_until(lambda: running(manager, "default") == 1)

        (record,) = await manager.merged_list()
        assert (record.task_id, record.status) == (task_id, TaskStatus.RUNNING)


# The store


async def ended(manager, work, count):
    """So many tasks, ended one after the other; their ids, newest first."""
    async with manager:
        ids = []
        for number in range(count):
            ids.append((await manager.enqueue(work, number)).task_id)
            await async_drain(manager)
    return ids[::-1]


def lasting(tmp_path, **settings):
    manager = TaskManager(snapshot_db=tmp_path / "tasks.db", **settings)

    @manager.task(persist=True)
    async def work(number):
        task_log(f"number {number}")
        if number == 0:
            raise ValueError("none")

    return manager, work


async def test_the_store_starts_with_what_had_ended_before(tmp_path):
    ids = await ended(*lasting(tmp_path), 3)

    manager, work = lasting(tmp_path)
    async with manager:
        assert [record.task_id for record in manager.store.list()] == ids
        failed = manager.store.get(ids[-1])
        assert (failed.status, failed.error) == (TaskStatus.FAILED, "none")
        assert failed.logs[0].endswith(" number 0")

        new = (await manager.enqueue(work, 9)).task_id
        assert [record.task_id for record in manager.store.list()] == [new, *ids]


async def test_the_store_finds_what_had_a_key_before(tmp_path):
    manager, work = lasting(tmp_path)
    async with manager:
        first = await manager.enqueue(work, 1, idempotency_key="k")
        await async_drain(manager)

    manager, work = lasting(tmp_path)
    async with manager:
        found = manager.store.find_by_idempotency_key("k")
        assert (found.task_id, found.status) == (first.task_id, TaskStatus.SUCCESS)
        assert await manager.enqueue(work, 1, idempotency_key="k") == (
            first.task_id,
            True,
            "existing",
        )


async def test_a_second_start_shows_every_task_once(tmp_path):
    manager, work = lasting(tmp_path)
    ids = await ended(manager, work, 2)

    async with manager:
        assert [record.task_id for record in manager.store.list()] == ids


async def test_what_is_deleted_leaves_the_store_too(tmp_path):
    ids = await ended(*lasting(tmp_path), 2)

    manager, _ = lasting(tmp_path, retry_replaces_original=True)
    async with manager:
        new = await manager.retry(ids[-1])
        await async_drain(manager)
        assert {record.task_id for record in manager.store.list()} == {new, ids[0]}
        purged = await manager.operations.purge_history(timedelta())
        assert (purged.store, purged.backend) == (2, 2)
        assert manager.store.list() == []


async def test_it_starts_with_the_newest_thousand(tmp_path):
    manager, _ = lasting(tmp_path)
    backend = manager.runtime.backend
    tasks = [NewTask(new_id(), "f", None, "default", datetime.now(UTC)) for _ in range(1_010)]
    await backend.open(lambda: None)
    await backend.insert([tasks])
    await backend.cancel([task.task_id for task in tasks])
    await backend.close()

    async with manager:
        known = [record.task_id for record in manager.store.list()]

    assert known == [task.task_id for task in tasks[:9:-1]]


# Outside of a request


async def test_tasks_of_a_manager_with_queues_do_not_wait_to_be_awaited():
    manager = TaskManager(queues={"default": QueueConfig()})
    ran = []

    @manager.task()
    async def work(number):
        ran.append(number)

    async with manager:
        tasks = ManagedBackgroundTasks(manager)
        tasks.add_task(work, 1)
        assert tasks.tasks == []
        await wait_until(lambda: ran)
