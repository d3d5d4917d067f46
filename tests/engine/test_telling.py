"""Exceptions that are slow to write: they end their task, and hold up nobody."""

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from fastapi_taskflow import InMemoryLogger, TaskManager, task_log
from tests.support.waiting import wait_until

released = threading.Event()


class Hangs(Exception):
    def __str__(self) -> str:
        released.wait(60)
        return "at last"

    __repr__ = __str__


class Threaded(Exception):
    """Says on which thread it is written."""

    def __str__(self) -> str:
        return f"written on {threading.current_thread().name}"


class Unwritable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture(autouse=True)
def _release():
    released.clear()
    yield
    released.set()


async def ended(manager: TaskManager, task_id: str) -> Any:
    store: Any = manager.store
    await wait_until(lambda: store.get(task_id).end_time is not None)
    return store.get(task_id)


@pytest.mark.parametrize("on_thread", [False, True])
async def test_an_exception_that_never_says_what_it_is_ends_its_task_and_frees_its_slot(
    manager, on_thread
):
    tasks = manager(max_concurrent_tasks=1, max_sync_threads=1)

    async def hangs():
        raise Hangs

    def hangs_on_thread():
        raise Hangs

    @tasks.task()
    async def fine(): ...

    @tasks.task()
    def fine_on_thread(): ...

    func = tasks.task()(hangs_on_thread if on_thread else hangs)
    async with tasks:
        bad = [(await tasks.enqueue(func)).task_id for _ in range(2)]
        good = (await tasks.enqueue(fine_on_thread if on_thread else fine)).task_id

        assert (await ended(tasks, good)).status.value == "success"
        for task_id in bad:
            record = await ended(tasks, task_id)
            assert record.status.value == "failed"
            assert record.error == "Hangs: its text took more than 1 s to write"


async def test_code_of_the_users_that_writes_an_exception_is_not_run_on_the_loop(manager):
    tasks = manager()

    @tasks.task()
    async def fails():
        raise Threaded

    async with tasks:
        record = await ended(tasks, (await tasks.enqueue(fails)).task_id)

    assert record.error == "written on taskflow-telling"
    assert threading.current_thread().name not in record.stacktrace


async def test_a_failure_is_logged_with_what_is_written_of_it(manager, caplog):
    tasks = manager()

    @tasks.task()
    async def fails():
        raise Threaded

    with caplog.at_level(logging.ERROR):
        async with tasks:
            await ended(tasks, (await tasks.enqueue(fails)).task_id)

    (told,) = [one for one in caplog.records if "failed: written" in one.getMessage()]
    assert isinstance(told.exc_info[1], Threaded)
    assert caplog.text.count("Threaded: written on taskflow-telling") == 1


async def test_whatever_is_logged_the_task_goes_on(manager):
    seen = InMemoryLogger()
    tasks = manager(loggers=[seen])
    loop: list[Any] = []
    loop.append(loop)

    @tasks.task()
    async def talks():
        task_log(Unwritable(), value=Unwritable(), loop=loop)
        task_log("x" * 10**7, text="y" * 10**7)
        return len(threading.enumerate())

    async with tasks:
        record = await ended(tasks, (await tasks.enqueue(talks)).task_id)
        await wait_until(lambda: len(seen.log_events) == 2)

    assert record.status.value == "success"
    assert record.logs[0].endswith("<Unwritable whose text raised RuntimeError>")
    assert len(record.logs[1]) < 20_000
    assert len(repr(seen.log_events)) < 100_000


async def test_an_exception_of_fifty_megabytes_leaves_the_loop_to_others(manager):
    tasks = manager()

    @tasks.task()
    async def fails():
        raise ValueError("x" * 50_000_000)

    async with tasks:
        await ended(tasks, (await tasks.enqueue(fails)).task_id)
        begun = time.process_time()
        await ended(tasks, (await tasks.enqueue(fails)).task_id)
        await asyncio.sleep(0)

    # Copied and searched, it would be a second of work.
    assert time.process_time() - begun < 0.5
