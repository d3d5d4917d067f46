"""What a function returns and raises decides how its attempt ends, not what it looks like."""

import asyncio
import functools
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

from fastapi_taskflow import Cancel, Retry, Snooze, TaskManager, TaskRecord, get_task_context
from fastapi_taskflow.testing import async_drain
from tests.support.gates import Gate, ThreadGate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

ran: list[str] = []


async def send(to: str) -> str:
    await asyncio.sleep(0)
    context = get_task_context()
    ran.append(f"{to} in {context.func_name if context else None}")
    return "sent"


async def send_later(to: str) -> Any:
    return send(to)


def through_a_wrapper(to: str) -> Any:
    return send(to)


def twice_removed(to: str) -> Any:
    return send_later(to)


class Sender:
    def __call__(self, to: str) -> Any:
        return send(to)


class Letter:
    """Awaitable by its own means."""

    def __init__(self, to: str) -> None:
        self.to = to

    def __await__(self) -> Generator[Any, None, str]:
        return send(self.to).__await__()


@types.coroutine
def old_style(to: str) -> Generator[Any, None, str]:
    yield
    ran.append(f"{to} in old_style")
    return "sent"


async def ended(tasks: TaskManager, func: Callable[..., Any], *args: Any) -> TaskRecord:
    task_id = (await tasks.enqueue(func, *args)).task_id
    await async_drain(tasks, delayed=True, timeout=60)
    record = await tasks.get(task_id)
    assert record is not None
    return record


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.mark.parametrize(
    "function",
    [
        through_a_wrapper,
        twice_removed,
        send_later,
        Sender(),
        Letter,
        lambda to: send(to=to),
        old_style,
        functools.partial(through_a_wrapper),
    ],
    ids=lambda function: getattr(function, "__name__", type(function).__name__),
)
async def test_what_a_function_returns_is_awaited(tasks: TaskManager, function: Any) -> None:
    async with tasks:
        record = await ended(tasks, function, "ada")

    assert record.status.value == "success"
    assert ran == [f"ada in {record.func_name}"]


@pytest.mark.parametrize("persist", [False, True])
async def test_a_registered_one_is_retried_for_what_it_returned(
    tasks: TaskManager, persist: bool
) -> None:
    async def fail_once() -> None:
        ran.append("tried")
        if len(ran) == 1:
            raise ConnectionError

    @tasks.task(persist=persist, retries=1)
    def wrapped() -> Any:
        return fail_once()

    async with tasks:
        record = await ended(tasks, wrapped)

    assert record.status.value == "success"
    assert ran == ["tried", "tried"]


async def test_the_timeout_covers_what_is_returned(tasks: TaskManager) -> None:
    gate = Gate()

    @tasks.task(timeout=0.05)
    def wrapped() -> Any:
        return gate.stand()

    async with tasks:
        record = await ended(tasks, wrapped)

    assert record.status.value == "failed"
    assert record.error is not None
    assert record.error.startswith("Timed out")
    assert "left running" not in record.error
    assert gate.passed == 0


async def test_cancelling_reaches_what_is_returned(tasks: TaskManager) -> None:
    gate = Gate()

    def wrapped() -> Any:
        return gate.stand()

    async with tasks:
        task_id = (await tasks.enqueue(wrapped)).task_id
        await gate.reached()
        await tasks.cancel(task_id)
        await async_drain(tasks, timeout=60)
        assert (await tasks.get(task_id)).status.value == "cancelled"  # type: ignore[union-attr]

    assert gate.passed == 0


async def test_what_comes_too_late_is_not_awaited(tasks: TaskManager) -> None:
    gate = ThreadGate()

    def wrapped() -> Any:
        gate.stand()
        return send("ada")

    async with tasks:
        task_id = (await tasks.enqueue(wrapped)).task_id
        await asyncio.to_thread(gate.wait_for_arrival)
        await tasks.cancel(task_id)
        gate.open()
        await async_drain(tasks, timeout=60)
        assert (await tasks.get(task_id)).status.value == "cancelled"  # type: ignore[union-attr]

    assert ran == []


def numbers() -> Iterator[int]:
    ran.append("numbers")
    yield 1


async def letters() -> AsyncIterator[str]:
    ran.append("letters")
    yield "a"


@pytest.mark.parametrize("function", [numbers, letters, lambda: (n for n in (1, 2))])
async def test_a_generator_fails_and_says_why(tasks: TaskManager, function: Any) -> None:
    async with tasks:
        record = await ended(tasks, function)

    assert record.status.value == "failed"
    assert record.error is not None
    assert "generator" in record.error
    assert ran == []


@pytest.mark.parametrize(
    ("error", "settings", "status", "tries"),
    [
        (ConnectionError("x"), {"retries": 1, "retry_on": ConnectionError}, "success", 2),
        (KeyError("x"), {"retries": 1, "no_retry_on": KeyError}, "failed", 1),
        (Snooze(0.01), {}, "success", 2),
        (Retry(after=0.01), {"retries": 1, "retry_on": ConnectionError}, "success", 2),
        (Cancel("gone"), {"retries": 1}, "cancelled", 1),
    ],
)
@pytest.mark.parametrize("persist", [False, True])
async def test_what_is_raised_in_a_task_group_counts(
    tasks: TaskManager, persist: bool, error: Exception, settings: Any, status: str, tries: int
) -> None:
    async def child() -> None:
        raise error

    @tasks.task(persist=persist, **settings)
    async def fan_out() -> None:
        ran.append("tried")
        if len(ran) == 1:
            async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
                outer.create_task(asyncio.sleep(0))
                inner.create_task(child())

    async with tasks:
        record = await ended(tasks, fan_out)

    assert record.status.value == status
    assert len(ran) == tries
    if status != "success":
        assert record.error == str(error)


async def test_a_neighbour_of_a_failing_answer_runs(tasks: TaskManager) -> None:
    async def broken() -> None:
        raise ConnectionError

    async with tasks:
        await tasks.enqueue(functools.partial(broken))
        await tasks.enqueue(numbers)
        await tasks.enqueue(send, "ada")
        await wait_until(lambda: ran == ["ada in send"])
