"""Cancel, from this instance and from others."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from fastapi_taskflow import QueueConfig, TaskManager, TaskStatus, get_task_context
from fastapi_taskflow.exceptions import TaskNotFound, TaskStateError
from tests.engine.test_running import ended
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("where", ["line", "store", "later"])
async def test_what_has_not_started_never_starts(manager: Make, persist: bool, where: str) -> None:
    tasks = manager(queues={"mail": QueueConfig(concurrency=1)})
    called: list[int] = []

    @tasks.task(persist=persist, retries=3)
    async def note(number: int) -> None:
        called.append(number)

    async with tasks:
        if where == "store":
            await tasks.pause("mail")
        delay = 30.0 if where == "later" else None
        if where == "line":
            await tasks.pause("mail")
        task_id, *_ = await tasks.enqueue(note, 1, queue="mail", delay=delay)
        record = await tasks.cancel(task_id)
        assert record.status is TaskStatus.CANCELLED
        await tasks.resume("mail")
        other, *_ = await tasks.enqueue(note, 2, queue="mail")
        assert await ended(tasks, other) is TaskStatus.SUCCESS
        with pytest.raises(TaskStateError, match="cancelled"):
            await tasks.cancel(task_id)

    assert called == [2]


@pytest.mark.parametrize("persist", [False, True])
async def test_a_running_coroutine_is_cancelled(manager: Make, persist: bool) -> None:
    tasks = manager()
    inside = asyncio.Event()

    @tasks.task(persist=persist, retries=3)
    async def wait_for_ever() -> None:
        inside.set()
        await asyncio.Event().wait()

    async with tasks:
        task_id, *_ = await tasks.enqueue(wait_for_ever)
        await inside.wait()
        await tasks.cancel(task_id)
        assert await ended(tasks, task_id) is TaskStatus.CANCELLED


@pytest.mark.parametrize("persist", [False, True])
async def test_a_thread_is_asked_and_decides(manager: Make, persist: bool) -> None:
    tasks = manager()
    inside = threading.Event()

    @tasks.task(persist=persist, retries=3)
    def work() -> None:
        context = get_task_context()
        assert context is not None
        inside.set()
        while True:
            context.check_cancelled()

    async with tasks:
        task_id, *_ = await tasks.enqueue(work)
        await wait_until(inside.is_set)
        record = await tasks.cancel(task_id)
        assert record.status in (TaskStatus.RUNNING, TaskStatus.CANCELLED)
        assert await ended(tasks, task_id) is TaskStatus.CANCELLED


@pytest.mark.parametrize("persist", [False, True])
async def test_asked_and_returned_is_success_asked_and_raised_is_cancelled(
    manager: Make, persist: bool
) -> None:
    tasks = manager()
    inside = asyncio.Event()

    @tasks.task(persist=persist, retries=3)
    async def stubborn(raises: bool) -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if raises:
                raise ValueError("while cleaning up") from None

    async with tasks:
        for raises, status in [(False, TaskStatus.SUCCESS), (True, TaskStatus.CANCELLED)]:
            inside.clear()
            task_id, *_ = await tasks.enqueue(stubborn, raises)
            await inside.wait()
            await tasks.cancel(task_id)
            assert await ended(tasks, task_id) is status
            record = await tasks.get(task_id)
            assert record is not None
            assert record.error == ("while cleaning up" if raises else None)


@pytest.mark.parametrize("persist", [False, True])
async def test_cancel_works_from_another_instance(manager: Make, persist: bool) -> None:
    owner, other = manager(), manager(roles={"observe"})
    inside = asyncio.Event()

    @owner.task(persist=persist)
    async def wait_for_ever() -> None:
        inside.set()
        await asyncio.Event().wait()

    async with owner, other:
        task_id, *_ = await owner.enqueue(wait_for_ever)
        await inside.wait()

        async def runs_elsewhere() -> bool:
            record = await other.get(task_id)
            return record is not None and record.status is TaskStatus.RUNNING

        await wait_until(runs_elsewhere)
        record = await other.cancel(task_id)
        assert record.status is TaskStatus.RUNNING
        assert await ended(owner, task_id) is TaskStatus.CANCELLED
        assert await ended(other, task_id) is TaskStatus.CANCELLED


async def test_cancel_of_nothing_says_so(manager: Make) -> None:
    tasks = manager()
    async with tasks:
        with pytest.raises(TaskNotFound):
            await tasks.cancel("nothing")


async def test_a_wait_for_retry_can_be_cancelled(manager: Make) -> None:
    tasks = manager()
    calls: list[int] = []

    @tasks.task(persist=True, retries=5, delay=3600)
    async def fail() -> None:
        calls.append(1)
        raise ValueError("no")

    async with tasks:
        task_id, *_ = await tasks.enqueue(fail)

        async def waits() -> bool:
            record = await tasks.get(task_id)
            return record is not None and record.error == "no"

        await wait_until(waits)
        assert (await tasks.cancel(task_id)).status is TaskStatus.CANCELLED

    assert calls == [1]


@pytest.mark.parametrize("persist", [False, True])
async def test_a_cancel_between_the_start_and_the_first_line_ends_the_task(
    manager: Make, persist: bool
) -> None:
    tasks = manager()

    @tasks.task(persist=persist)
    async def work() -> None:
        await asyncio.Event().wait()

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        record = tasks.store.get(task_id)
        assert record is not None
        while record.status is TaskStatus.PENDING:  # noqa: ASYNC110  (looking is all there is)
            await asyncio.sleep(0)
        await tasks.cancel(task_id)

        assert await ended(tasks, task_id) is TaskStatus.CANCELLED
