"""Managed tasks outside a request: made by hand, stored and run when they are awaited."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from fastapi_taskflow.errors import StoreFull
from tests.support.gates import Gate
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


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
        unbound.add_task(note, "three", priority=1)
        assert watched.inserts == []
        await unbound()
        assert [word for word in ran if word != "three"] == ["one", "two"]
        await wait_until(lambda: len(ran) == 3)
        # A second await runs nothing again.
        await unbound()
        unbound.add_task(note, "four")
        await unbound()

    assert sorted(ran) == ["four", "one", "three", "two"]
    assert watched.inserts == [[2], [1]]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


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


async def test_without_an_engine_they_run_as_stock_ones(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    unbound, stock = ManagedBackgroundTasks(tasks), BackgroundTasks()
    for each in (unbound, stock):
        each.add_task(ran.append, "one")
        each.add_task(ran.append, "two")
        await each()

    assert ran == ["one", "two"] * 2
    assert tasks.store.list() == []
    assert "plain FastAPI" in caplog.text


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
