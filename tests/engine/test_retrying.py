"""Retry by hand: a new task for one that ended without success."""

from collections.abc import Callable

import pytest

from fastapi_taskflow import Cancel, TaskManager, TaskStatus
from fastapi_taskflow.exceptions import (
    AlreadyRetried,
    TaskNotFound,
    TaskStateError,
    UnknownTaskFunction,
)
from tests.engine.test_running import ended

Make = Callable[..., TaskManager]


@pytest.mark.parametrize("persist", [False, True])
async def test_it_makes_a_linked_task_with_the_same_arguments(manager: Make, persist: bool) -> None:
    tasks = manager()
    calls: list[tuple[object, ...]] = []

    @tasks.task(persist=persist)
    async def pay(order: int, *, currency: str) -> None:
        calls.append((order, currency))
        if len(calls) == 1:
            raise ConnectionError("bank is closed")

    async with tasks:
        first, *_ = await tasks.enqueue(pay, 7, currency="EUR", tags={"tenant": "a"}, priority=3)
        assert await ended(tasks, first) is TaskStatus.FAILED
        second = await tasks.retry(first)
        assert await ended(tasks, second) is TaskStatus.SUCCESS

        original, retry = await tasks.get(first), await tasks.get(second)
        assert original is not None
        assert retry is not None
        assert original.status is TaskStatus.FAILED
        assert original.retried_as == second
        assert retry.retry_of == first
        assert retry.tags == {"tenant": "a"}
        assert retry.priority == 3
        with pytest.raises(AlreadyRetried) as refused:
            await tasks.retry(first)
        assert refused.value.retried_as == second
        with pytest.raises(TaskStateError, match="success"):
            await tasks.retry(second)

    assert calls == [(7, "EUR"), (7, "EUR")]


async def test_the_original_can_be_replaced(manager: Make) -> None:
    tasks = manager(retry_replaces_original=True)

    @tasks.task(persist=True)
    async def stop() -> None:
        raise Cancel("enough")

    async with tasks:
        first, *_ = await tasks.enqueue(stop)
        assert await ended(tasks, first) is TaskStatus.CANCELLED
        second = await tasks.retry(first)
        assert await ended(tasks, second) is TaskStatus.CANCELLED
        assert await tasks.get(first) is None


async def test_a_retry_takes_its_originals_key_over(manager: Make) -> None:
    tasks = manager()
    calls: list[int] = []

    @tasks.task(persist=True)
    async def once(number: int) -> None:
        calls.append(number)
        if len(calls) == 1:
            raise ValueError("first")

    async with tasks:
        first, *_ = await tasks.enqueue(once, 1, idempotency_key="order-1")
        assert await ended(tasks, first) is TaskStatus.FAILED
        second = await tasks.retry(first)
        again = await tasks.enqueue(once, 1, idempotency_key="order-1")
        assert again == (second, True, "existing")
        assert await ended(tasks, second) is TaskStatus.SUCCESS

    assert calls == [1, 1]


async def test_what_cannot_be_retried_says_why(manager: Make) -> None:
    first, second = manager(), manager()

    @first.task(persist=True)
    async def only_here() -> None:
        raise ValueError("no")

    async with first, second:
        task_id, *_ = await first.enqueue(only_here)
        assert await ended(first, task_id) is TaskStatus.FAILED
        with pytest.raises(UnknownTaskFunction, match="only_here"):
            await second.retry(task_id)
        with pytest.raises(TaskNotFound):
            await second.retry("nothing")
