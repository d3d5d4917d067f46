"""A chain's function runs its first step at once, in an asyncio task of its own."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from fastapi_taskflow.executors.firststep import FirstStep

Function = Callable[[], Awaitable[None]]


def begun(function: Function) -> asyncio.Task[None]:
    """A task whose first step has been taken."""
    context = contextvars.copy_context()
    step = FirstStep(function())  # type: ignore[arg-type]
    task = asyncio.get_running_loop().create_task(step, context=context)
    step.take(task, context)
    return task


@pytest.fixture
async def manager() -> TaskManager:
    return TaskManager()


async def test_a_function_that_never_waits_ends_without_a_turn_of_the_loop(
    manager: TaskManager,
) -> None:
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    async with manager:
        tasks = ManagedBackgroundTasks(manager)
        ids = [tasks.add_task(note, number) for number in range(3)]
        chain = tasks()
        with pytest.raises(StopIteration):
            chain.send(None)

        assert ran == [0, 1, 2]
        records = [manager.store.get(task_id) for task_id in ids]
        assert {record.status for record in records if record} == {TaskStatus.SUCCESS}


async def test_the_current_task_is_the_same_one_before_and_after_waiting() -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    outer = asyncio.current_task()
    task = begun(look)

    assert asyncio.current_task() is outer
    assert seen == [task]
    await task
    assert seen == [task, task]


async def test_a_deadline_set_in_the_first_step_ends_only_this_task() -> None:
    async def hang() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await begun(hang)


async def test_context_variables_keep_what_the_first_step_set() -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    seen: list[str] = []

    async def change() -> None:
        variable.set("inside")
        await asyncio.sleep(0)
        seen.append(variable.get())

    await begun(change)

    assert seen == ["inside"]
    assert variable.get() == "outside"


async def test_a_cancel_before_the_tasks_own_turn_reaches_what_it_waits_for() -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("child")
            raise

    inner = asyncio.get_running_loop().create_task(child())
    await asyncio.sleep(0)

    async def parent() -> None:
        try:
            await inner
        except asyncio.CancelledError:
            ended.append("parent")
            raise

    task = begun(parent)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == ["child", "parent"]


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_cancel_during_a_bare_yield_is_not_lost(turns: int) -> None:
    caught: list[str] = []

    async def spin() -> None:
        try:
            for _ in range(10):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    task = begun(spin)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert caught == ["cancelled"]


async def test_a_cancel_when_the_awaited_is_ready_is_not_lost() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await future
        await asyncio.Event().wait()

    task = begun(wait)
    future.set_result(None)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_what_the_first_step_raises_is_the_tasks() -> None:
    async def fail() -> None:
        raise LookupError("gone")

    task = begun(fail)

    with pytest.raises(LookupError, match="gone"):
        await task
