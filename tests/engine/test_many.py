"""`enqueue_many`: all or none."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from fastapi_taskflow import QueueConfig, QueueFullError, TaskArgumentError, TaskManager, TaskStatus
from tests.support.waiting import wait_until


async def test_many_tasks_are_added_and_run(manager: Callable[..., TaskManager]) -> None:
    tasks, ran = manager(), list[int]()

    @tasks.task(persist=True)
    async def durable(n: int) -> None:
        ran.append(n)

    @tasks.task()
    async def plain(n: int) -> None:
        ran.append(n)

    async with tasks:
        calls = [tasks.call(durable if n % 2 else plain, n) for n in range(20)]
        answers = await tasks.enqueue_many(calls, tags={"of": "many"})
        await wait_until(lambda: len(ran) == 20)

        assert [one.disposition for one in answers] == ["created"] * 20
        records = [await tasks.get(one.task_id) for one in answers]
    assert [one and one.tags for one in records] == [{"of": "many"}] * 20
    assert sorted(ran) == list(range(20))


async def test_spread_gives_each_its_own_time(manager: Callable[..., TaskManager]) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def call(n: int) -> None: ...

    async with tasks:
        answers = await tasks.enqueue_many(
            [tasks.call(call, n) for n in range(4)], spread=400, delay=1000
        )
        due = [(await tasks.get(one.task_id)).due_at for one in answers]  # type: ignore[union-attr]

    gaps = [(b - a).total_seconds() for a, b in pairwise(due)]  # type: ignore[operator]
    assert gaps == pytest.approx([100.0] * 3, abs=0.01)


@pytest.mark.parametrize("persist", [True, False])
async def test_a_full_queue_takes_none(manager: Callable[..., TaskManager], persist: bool) -> None:
    tasks = manager(queues={"small": QueueConfig(concurrency=1, max_size=3)})

    @tasks.task(persist=persist, queue="small")
    async def call(n: int) -> None: ...

    async with tasks:
        with pytest.raises(QueueFullError):
            await tasks.enqueue_many([tasks.call(call, n) for n in range(4)])
        await tasks.enqueue_many([tasks.call(call, n) for n in range(3)])
        await wait_until(lambda: len(tasks.store.list()) == 4)
        ended = [one.status for one in tasks.store.list()]

    assert ended.count(TaskStatus.REJECTED) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, r"task_manager\.call"),
        (5, r"task_manager\.call"),
        ("text", "A task is a function"),
        ([None], "A task is a function"),
    ],
    ids=["none", "number", "text", "none-within"],
)
async def test_what_is_no_list_of_calls_is_refused(
    manager: Callable[..., TaskManager], wrong: object, said: str
) -> None:
    tasks = manager()
    async with tasks:
        with pytest.raises(TaskArgumentError, match=said):
            await tasks.enqueue_many(wrong)  # type: ignore[arg-type]
        assert await tasks.enqueue_many([]) == []


async def test_a_function_alone_is_a_call_without_arguments(
    manager: Callable[..., TaskManager],
) -> None:
    tasks = manager()
    called = asyncio.Event()

    @tasks.task()
    async def call() -> None:
        called.set()

    async with tasks:
        await tasks.enqueue_many([call])
        await called.wait()
