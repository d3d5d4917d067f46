"""Limits over all instances, as functions see them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    QueueConfig,
    TaskAdmin,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.exceptions import ConfigurationError
from tests.engine.test_running import ended
from tests.engine.test_slots import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

OF_QUEUE = {"queues": {"mail": QueueConfig(global_concurrency=2)}}


def limited(tasks: TaskManager, gate: Gate, kind: str, *, persist: bool) -> Callable[..., object]:
    most = 2 if kind == "function" else None

    @tasks.task(persist=persist, global_concurrency=most, queue="mail")
    async def stand(name: str) -> None:
        await gate.pass_through(name)

    return stand


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("kind", ["queue", "function"])
async def test_instances_together_run_no_more_than_the_limit(
    manager: Make, kind: str, persist: bool
) -> None:
    settings = OF_QUEUE if kind == "queue" else {"queues": {"mail": QueueConfig()}}
    gate = Gate()
    managers = [manager(**settings) for _ in range(3)]
    stands = [limited(one, gate, kind, persist=persist) for one in managers]
    ids = []
    for one in managers:
        await one.startup()
    for n in range(12):
        enqueued = await managers[n % 3].enqueue(stands[n % 3], str(n))
        ids.append(enqueued.task_id)

    @managers[0].task
    async def neighbour() -> None:
        pass

    free = (await managers[0].enqueue(neighbour)).task_id

    await wait_until(lambda: gate.inside == 2)
    assert await ended(managers[0], free) is TaskStatus.SUCCESS
    gate.open()
    for task_id in ids:
        assert await ended(managers[0], task_id) is TaskStatus.SUCCESS

    assert gate.most == 2
    assert sorted(gate.names, key=int) == [str(n) for n in range(12)]


async def test_a_retry_waits_for_room_as_well(manager: Make) -> None:
    tasks, inside, most = manager(), 0, 0

    @tasks.task(global_concurrency=1, retries=1)
    async def fail_once(names: list[str]) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        if tried.setdefault(names[0], 0) == 0:
            tried[names[0]] = 1
            raise RuntimeError("once")

    tried: dict[str, int] = {}
    async with tasks:
        ids = [(await tasks.enqueue(fail_once, [str(n)])).task_id for n in range(5)]
        for task_id in ids:
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    assert most == 1
    assert len(tried) == 5


@pytest.mark.parametrize("kind", ["queue", "function"])
async def test_starts_keep_to_the_rate(manager: Make, kind: str) -> None:
    rate = "5/s"
    queues = {"mail": QueueConfig(rate_limit=rate if kind == "queue" else None)}
    tasks = manager(queues=queues)
    starts: list[float] = []

    @tasks.task(rate_limit=rate if kind == "function" else None, queue="mail")
    async def call() -> None:
        starts.append(time.monotonic())

    async with tasks:
        ids = [(await tasks.enqueue(call)).task_id for _ in range(8)]
        for task_id in ids:
            assert await ended(tasks, task_id) is TaskStatus.SUCCESS

    # However slow the machine is: three more than the burst take three refills.
    assert starts[-1] - starts[0] >= 0.5


async def test_a_new_limit_of_a_queue_holds_on_every_instance(manager: Make) -> None:
    tasks, other = manager(queues={"mail": QueueConfig()}), manager(queues={"mail": QueueConfig()})
    gate = Gate()
    stand, _ = [limited(one, gate, "queue", persist=True) for one in (tasks, other)]
    for one in (tasks, other):
        await one.startup()

    for one in (tasks, other):
        await one.operations.update_queue("mail", {"global_concurrency": 1})
    ids = [(await tasks.enqueue(stand, str(n))).task_id for n in range(4)]
    await wait_until(lambda: gate.inside == 1)
    await tasks.operations.update_queue("mail", {"global_concurrency": 3})
    await wait_until(lambda: gate.inside == 3)
    gate.open()

    for task_id in ids:
        assert await ended(tasks, task_id) is TaskStatus.SUCCESS
    assert gate.most == 3


def test_a_request_adds_tasks_with_limits_without_a_backend() -> None:
    tasks, app = TaskManager(), FastAPI()
    TaskAdmin(app, tasks, auto_install=True)
    ran: list[int] = []

    @tasks.task(global_concurrency=1)
    def work(number: int) -> None:
        ran.append(number)

    @app.post("/")
    async def add(background: ManagedBackgroundTasks) -> list[str]:
        return [background.add_task(work, n) for n in range(3)]

    with TestClient(app) as client:
        ids = client.post("/").json()
        deadline = time.monotonic() + 60
        while len(ran) < 3 and time.monotonic() < deadline:
            client.get(f"/tasks/{ids[-1]}")

    assert sorted(ran) == [0, 1, 2]


async def test_functions_without_a_name_go_to_no_queue_with_a_limit(manager: Make) -> None:
    async def nameless() -> None:
        pass

    tasks = manager(**OF_QUEUE)
    async with tasks:
        with pytest.raises(TaskArgumentError, match="not registered"):
            await tasks.enqueue(tasks.call(nameless), queue="mail")


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2"])
def test_limits_that_cannot_work_are_refused_where_they_are_written(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="global_concurrency"):
        TaskManager().task(global_concurrency=value)(print)
    with pytest.raises(ConfigurationError, match="global_concurrency"):
        QueueConfig(global_concurrency=value)


@pytest.mark.parametrize(
    "value",
    ["", "100", "0/s", "1/w", "01/s", "1.5/s", " 1/s", "1/s ", "-1/s", "1000001/s", "1/S", 5],
)
def test_rates_that_cannot_work_are_refused_where_they_are_written(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="rate_limit"):
        TaskManager().task(rate_limit=value)(print)
    with pytest.raises(ConfigurationError, match="rate_limit"):
        QueueConfig(rate_limit=value)
