"""Order within a queue: highest priority, then due time or else arrival, then arrival."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import ConfigurationError, ManagedBackgroundTasks, QueueConfig, TaskManager
from fastapi_taskflow.testing import async_drain, drain
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def persist(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[1, None], ids=["one slot", "unlimited"])
def order(request: pytest.FixtureRequest, make_manager: Make, persist: bool) -> "Order":
    return Order(make_manager(queues={"work": QueueConfig(concurrency=request.param)}), persist)


class Order:
    """A queue whose tasks note when they start."""

    def __init__(self, tasks: TaskManager, persist: bool) -> None:
        self.tasks = tasks
        self.started: list[Any] = []

        async def work(name: Any) -> None:
            self.started.append(name)

        self.work = tasks.task(persist=persist, queue="work", retries=1, delay=0.01)(work)


def test_tasks_of_one_request_start_by_priority(order: Order) -> None:
    app = FastAPI()
    order.tasks.install(app)

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        tasks: Any = background_tasks
        for number in (1, 10, 5, 10.5):
            tasks.add_task(order.work, number, priority=int(number))

    with TestClient(app) as client:
        client.post("/")
        drain(order.tasks, timeout=60)

    assert order.started == [10, 10.5, 5, 1]


async def test_tasks_enqueued_together_start_by_priority(order: Order) -> None:
    async with order.tasks:
        await asyncio.gather(
            *(order.tasks.enqueue(order.work, number, priority=number) for number in (1, 10, 5))
        )
        await async_drain(order.tasks, timeout=60)

    assert order.started == [10, 5, 1]


async def test_tasks_of_one_object_start_by_priority(order: Order) -> None:
    async with order.tasks:
        unbound = ManagedBackgroundTasks(order.tasks)
        for number in (1, 10, 5):
            unbound.add_task(order.work, number, priority=number)
        await unbound()
        await async_drain(order.tasks, timeout=60)

    assert order.started == [10, 5, 1]


async def test_what_is_due_first_starts_first(make_manager: Make, persist: bool) -> None:
    tasks = make_manager(queues={"work": QueueConfig(concurrency=1)})
    order, gate = Order(tasks, persist), Gate()

    @tasks.task(persist=persist, queue="work")
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        await tasks.enqueue(stand)
        await gate.reached()
        await tasks.enqueue(order.work, "arrived")
        await tasks.enqueue(order.work, "second", delay=0.02)
        await tasks.enqueue(order.work, "first", delay=0.01)
        await asyncio.sleep(0.05)
        await tasks.enqueue(order.work, "last")
        past = datetime.now(UTC) - timedelta(hours=1)
        await tasks.enqueue(order.work, "long due", run_at=past)
        gate.open()
        await wait_until(lambda: len(order.started) == 5)

    assert order.started == ["long due", "arrived", "first", "second", "last"]


@pytest.mark.parametrize(
    ("ageing", "expected"),
    [
        (None, ["urgent", "urgent later", "waits"]),
        (3_600, ["urgent", "urgent later", "waits"]),
        (60, ["waits", "urgent", "urgent later"]),
    ],
)
async def test_what_has_waited_long_goes_before_what_is_urgent(
    make_manager: Make, persist: bool, ageing: float | None, expected: list[str]
) -> None:
    tasks = make_manager(queues={"work": QueueConfig(concurrency=1, ageing=ageing)})
    order, gate = Order(tasks, persist), Gate()

    @tasks.task(persist=persist, queue="work")
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        await tasks.enqueue(stand)
        await gate.reached()
        await tasks.enqueue(order.work, "urgent", priority=5)
        past = datetime.now(UTC) - timedelta(hours=1)
        await tasks.enqueue(order.work, "waits", run_at=past)
        await tasks.enqueue(order.work, "urgent later", priority=5)
        gate.open()
        await wait_until(lambda: len(order.started) == 3)

    assert order.started == expected


@pytest.mark.parametrize("ageing", [0, -1, True, "5m", timedelta(seconds=5), float("nan")])
def test_an_ageing_that_cannot_be_is_refused(ageing: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"ageing takes seconds above 0"):
        QueueConfig(ageing=ageing)


async def test_a_retry_does_not_wait_for_what_comes_later(
    make_manager: Make, persist: bool
) -> None:
    tasks = make_manager(queues={"work": QueueConfig(concurrency=1)})
    gates = [Gate(), Gate()]
    tried: list[str] = []

    @tasks.task(persist=persist, queue="work", retries=1, delay=0.01)
    async def work(name: str) -> None:
        tried.append(name)
        if name in ("fails", "stands"):
            await gates[len(tried) > 1].stand()
        if tried == ["fails"]:
            raise ConnectionError

    async with tasks:
        await tasks.enqueue(work, "fails")
        await gates[0].reached()
        await tasks.enqueue(work, "stands")
        gates[0].open()
        await gates[1].reached()
        await asyncio.sleep(0.05)
        for number in range(5):
            await tasks.enqueue(work, f"later {number}")
        gates[1].open()
        await wait_until(lambda: len(tried) == 8)

    assert tried == ["fails", "stands", "fails", *(f"later {number}" for number in range(5))]
