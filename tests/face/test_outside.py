"""Managed tasks outside a request: made by hand, stored and run when they are awaited."""

import asyncio
import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    QueueConfig,
    QueueFullError,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.exceptions import IdempotencyConflict, StoreFull
from tests.support.gates import Gate
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


def is_gone(tasks: TaskManager, task_id: str) -> bool:
    return tasks.store.get(task_id) is None


@pytest.fixture
def watched() -> WatchedStore:
    return WatchedStore()


async def test_awaiting_them_stores_and_runs_them(
    make_manager: Make, watched: WatchedStore
) -> None:
    tasks = make_manager(watched)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note(word: str) -> None:
        ran.append(word)

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(note, "one")
        unbound.add_task(ran.append, "two")
        unbound.add_task(note, "three")
        await asyncio.sleep(0)
        assert watched.inserts == []
        await unbound()
        assert ran == ["one", "two", "three"]
        # A second await runs nothing again.
        await unbound()
        unbound.add_task(note, "four")
        await unbound()

    assert ran == ["one", "two", "three", "four"]
    assert watched.inserts == [[2], [1]]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("how", ["call", "decorator", "queue", "eager", "configured queues"])
async def test_what_goes_to_a_queue_waits_for_no_await(
    make_manager: Make, watched: WatchedStore, how: str, persist: bool
) -> None:
    queues = {"work": QueueConfig()} if "queue" in how else {}
    tasks = make_manager(watched, queues=queues)
    ran: list[int] = []
    settings: dict[str, Any] = {"priority": 1} if how == "decorator" else {}
    said: dict[str, dict[str, Any]] = {
        "call": {"priority": 1},
        "queue": {"queue": "work"},
        "eager": {"eager": True},
    }
    options = said.get(how, {})

    @tasks.task(persist=persist, **settings)
    async def note(number: int) -> None:
        ran.append(number)

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        for number in range(3):
            unbound.add_task(note, number, **options)
        assert ran == []
        await wait_until(lambda: len(ran) == 3)
        # What was added in one iteration is one transaction.
        assert watched.inserts == ([[3]] if persist else [])
        await unbound()

    assert ran == [0, 1, 2]


async def test_a_later_await_tells_that_the_store_refused(
    make_manager: Make, watched: WatchedStore
) -> None:
    tasks = make_manager(watched)
    watched.refuse = StoreFull("no space")

    @tasks.task(persist=True, priority=1)
    async def note() -> None: ...

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(note)
        await asyncio.sleep(0.01)
        with pytest.raises(StoreFull):
            await unbound()


async def test_nobody_awaits_so_the_log_tells_that_the_store_refused(
    make_manager: Make, watched: WatchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = make_manager(watched)
    ran: list[str] = []

    @tasks.task(persist=True, priority=1)
    async def note() -> None:
        ran.append("ran")

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        watched.refuse = StoreFull("no space")
        unbound.add_task(note)
        await wait_until(lambda: "no space" in caplog.text)
        watched.refuse = None
        unbound.add_task(note)
        await wait_until(lambda: ran)
        # It is not forgotten by that.
        with pytest.raises(StoreFull):
            await unbound()
        await unbound()


@pytest.mark.parametrize("persist", [False, True])
async def test_what_is_never_awaited_gives_its_slots_back(
    make_manager: Make, persist: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = make_manager(max_size=1)
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def note() -> None:
        ran.append("ran")

    async with tasks:
        for _ in range(3):
            unbound = ManagedBackgroundTasks(tasks)
            task_id = unbound.add_task(note)
            with pytest.raises(QueueFullError):
                ManagedBackgroundTasks(tasks).add_task(note)
            del unbound
            gc.collect()
            await wait_until(functools.partial(is_gone, tasks, task_id))
        assert caplog.text.count("never awaited") == 3
        await tasks.enqueue(note)
        await wait_until(lambda: ran)

    assert ran == ["ran"]


async def test_the_stop_drops_what_nobody_awaited(
    make_manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = make_manager()
    unbound = ManagedBackgroundTasks(tasks)
    async with tasks:
        task_id = unbound.add_task(print)

    assert tasks.store.get(task_id) is None
    assert "never awaited" in caplog.text


async def test_a_thread_waits_until_its_durable_task_is_stored(
    make_manager: Make, watched: WatchedStore
) -> None:
    tasks = make_manager(watched)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note() -> None:
        ran.append("ran")

    async with tasks:
        await asyncio.to_thread(lambda: ManagedBackgroundTasks(tasks).add_task(note))
        assert watched.inserts == [[1]]
        await wait_until(lambda: ran)


async def test_a_store_that_refuses_runs_nothing(make_manager: Make, watched: WatchedStore) -> None:
    tasks = make_manager(watched)
    watched.refuse = StoreFull("no space")
    ran: list[str] = []

    @tasks.task(persist=True)
    async def note() -> None:
        ran.append("durable")

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(note)
        unbound.add_task(ran.append, "not durable")
        with pytest.raises(StoreFull):
            await unbound()

    assert ran == []
    assert tasks.store.list() == []


async def test_an_eager_task_starts_when_it_is_added(make_manager: Make) -> None:
    tasks = make_manager()
    gate = Gate()

    @tasks.task(persist=True)
    async def stand() -> None:
        await gate.stand()

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        unbound.add_task(stand, eager=True)
        await gate.reached()
        gate.open()
        await unbound()
        await wait_until(lambda: gate.passed)


async def test_without_an_engine_they_run_as_stock_ones_with_a_record(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    seen: list[str] = []

    def look(word: str) -> None:
        seen.extend(record.status.value for record in tasks.store.list())
        ran.append(word)

    unbound, stock = ManagedBackgroundTasks(tasks), BackgroundTasks()
    for each in (unbound, stock):
        each.add_task(ran.append, "one")
        each.add_task(look, "two")
        await each()

    assert ran == ["one", "two"] * 2
    assert seen[:2] == ["running", "success"]
    records = {record.func_name: record for record in tasks.store.list()}
    assert {name: record.status for name, record in records.items()} == {
        "append": TaskStatus.SUCCESS,
        "look": TaskStatus.SUCCESS,
    }
    assert records["look"].duration is not None
    assert caplog.text.count("plain FastAPI") == 1


async def test_without_an_engine_an_error_goes_on_as_in_stock(tasks: TaskManager) -> None:
    ran: list[str] = []

    @tasks.task(retries=3)
    def fail(password: str) -> None:
        ran.append("tried")
        raise LookupError(f"no {password}")

    unbound = ManagedBackgroundTasks(tasks)
    task_id = unbound.add_task(fail, "hunter2-hunter2")
    unbound.add_task(ran.append, "behind")
    with pytest.raises(LookupError):
        await unbound()

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.status is TaskStatus.FAILED
    assert record.retries_used == 0
    assert "no " in (record.error or "")
    assert "hunter2" not in f"{record.error}{record.stacktrace}"
    assert ran == ["tried"]


async def test_without_an_engine_an_equal_key_is_one_task(tasks: TaskManager) -> None:
    ran: list[str] = []

    @tasks.task()
    async def note(word: str) -> None:
        ran.append(word)

    unbound = ManagedBackgroundTasks(tasks)
    first = unbound.add_task(note, "one", idempotency_key="k")
    assert unbound.add_task(note, "one", idempotency_key="k") == first
    with pytest.raises(IdempotencyConflict):
        unbound.add_task(note, "other", idempotency_key="k")
    await unbound()

    assert ran == ["one"]


async def test_before_the_start_a_priority_waits_for_it(tasks: TaskManager) -> None:
    ran: list[str] = []

    @tasks.task(priority=1)
    async def note(word: str) -> None:
        ran.append(word)

    awaited = ManagedBackgroundTasks(tasks)
    awaited.add_task(note, "awaited")
    await awaited()
    ManagedBackgroundTasks(tasks).add_task(note, "started")
    assert ran == ["awaited"]
    async with tasks:
        await wait_until(lambda: len(ran) == 2)

    assert ran == ["awaited", "started"]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


async def test_the_options_have_names_that_a_call_can_hide(tasks: TaskManager) -> None:
    seen: list[object] = []

    @tasks.task(persist=True)
    async def label(*, tags: list[str], priority: str, func: str) -> None:
        seen.extend([tags, priority, func])

    async with tasks:
        unbound = ManagedBackgroundTasks(tasks)
        call = tasks.call(label, tags=["a"], priority="high", func="f")
        task_id = unbound.add_task(call, tags={"kind": "label"})
        await unbound()

    record = tasks.store.get(task_id)
    assert record is not None
    assert record.tags == {"kind": "label"}
    assert record.priority is None
    assert seen == [["a"], "high", "f"]


async def test_many_loops_of_asyncio_one_manager(make_manager: Make) -> None:
    tasks = make_manager()
    ran: list[int] = []

    @tasks.task(persist=True)
    async def note(number: int) -> None:
        ran.append(number)

    def run(number: int) -> None:
        async def main() -> None:
            async with tasks:
                unbound = ManagedBackgroundTasks(tasks)
                unbound.add_task(note, number)
                await unbound()

        asyncio.run(main())

    for number in range(3):
        await asyncio.to_thread(run, number)

    assert ran == [0, 1, 2]
