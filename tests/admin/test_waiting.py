"""Why tasks wait: the same in a list and in detail."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fastapi_taskflow import QueueConfig, TaskManager
from fastapi_taskflow.backends.base import Backend, Query
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance.harness import task
from tests.engine.test_slots import Gate
from tests.support.waiting import wait_until

QUEUES = {
    "one": QueueConfig(concurrency=1),
    "few": QueueConfig(global_concurrency=1),
    "rated": QueueConfig(rate_limit="1/h"),
    "paused": QueueConfig(paused=True),
}


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Any) -> Backend:
    return MemoryBackend() if request.param == "memory" else SqliteBackend(str(tmp_path / "t.db"))


class Shop:
    """Tasks that stand in a gate, and what others wait for."""

    def __init__(self, tasks: TaskManager) -> None:
        self.tasks = tasks
        self.gate = Gate()

        @tasks.task(persist=True)
        async def plain() -> None:
            await self.gate.pass_through("plain")

        @tasks.task(key="tenant")
        async def serve(tenant: int) -> None:
            await self.gate.pass_through("serve")

        @tasks.task(key="tenant", key_rate_limit="1/h")
        async def call(tenant: int) -> None: ...

        @tasks.task(key="tenant", retries=1, delay=60)
        async def fail(tenant: int) -> None:
            raise RuntimeError

        self.plain, self.serve, self.call, self.fail = plain, serve, call, fail

    async def add(self, func: Callable[..., Any], *args: Any, **options: Any) -> str:
        return (await self.tasks.enqueue(func, *args, **options)).task_id

    async def becomes(self, task_id: str, reason: str, beginning: str = "") -> str:
        """The text of that reason, as soon as it is told and begins so."""
        text = ""

        async def told() -> bool:
            nonlocal text
            record = await self.tasks.get(task_id)
            assert record is not None
            if record.waiting_for is None or record.waiting_for.reason != reason:
                return False
            text = record.waiting_for.text
            return text.startswith(beginning)

        await wait_until(told)
        records, _ = await self.tasks.operations.search(Query(), limit=100)
        (listed,) = [one.waiting_for for one in records if one.task_id == task_id]
        assert listed is not None
        assert listed.reason == reason
        return text


@pytest.fixture
async def shop(backend: Backend) -> AsyncIterator[Shop]:
    found = Shop(TaskManager(snapshot_backend=backend, queues=QUEUES))
    async with found.tasks:
        yield found
        found.gate.open()


@pytest.mark.parametrize(
    ("queue", "reason", "text"),
    [
        ("one", "queue_full", "queue one is full, 1 running here"),
        ("few", "global_limit", "global limit of queue few, 1 of 1 in use"),
        ("rated", "rate_limit", "rate limit queue rated, about 3"),
        ("paused", "paused", "queue paused is paused"),
    ],
)
async def test_what_a_queue_holds_back_is_told(
    shop: Shop, queue: str, reason: str, text: str
) -> None:
    await shop.add(shop.plain, queue=queue)
    second = await shop.add(shop.plain, queue=queue)

    assert (await shop.becomes(second, reason)).startswith(text)


async def test_dates_are_told(shop: Shop) -> None:
    later = await shop.add(shop.plain, delay=600)
    failing = await shop.add(shop.fail, 1)

    assert (await shop.becomes(later, "date")).startswith("due at 20")
    text = await shop.becomes(failing, "retry")
    assert text.startswith("retry due at 20")


async def test_a_line_is_told(shop: Shop) -> None:
    tasks = [await shop.add(shop.serve, 7) for _ in range(4)]
    calls = [await shop.add(shop.call, 3) for _ in range(4)]

    assert await shop.becomes(tasks[3], "key") == "key tenant:7, 3 ahead"
    # Until a claim has moved it to the next token, its place is not told.
    await shop.becomes(calls[1], "rate_limit", "rate limit tenant:3, 0 ahead, about 3")
    await shop.becomes(calls[3], "rate_limit", "rate limit tenant:3, 2 ahead, about 10")


async def test_a_task_that_nobody_can_run_says_so(shop: Shop, backend: Backend) -> None:
    lost = task(func_name="lost")
    await backend.insert([[lost]])

    assert await shop.becomes(lost.task_id, "no_instance") == "no live instance knows lost"


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ({"func_name": "plain"}, "function plain is paused"),
        ({"tag": "customer:7"}, "tag customer:7 is paused"),
        ({"key": "serve():7"}, "key serve():7 is paused"),
    ],
    ids=["function", "tag", "key"],
)
async def test_what_a_pause_holds_is_told(shop: Shop, thing: dict[str, str], text: str) -> None:
    await shop.tasks.pause(**thing)
    if "key" in thing:
        held = await shop.add(shop.serve, 7)
    else:
        held = await shop.add(shop.plain, tags={"customer": "7"})

    assert await shop.becomes(held, "paused") == text
