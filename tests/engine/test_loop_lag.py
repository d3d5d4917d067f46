"""While the event loop is later than `max_loop_lag`, no task starts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fastapi_taskflow import TaskManager
from tests.support.waiting import wait_until

LIMIT, BLOCK = 0.05, 0.2


@asynccontextmanager
async def late_loop(tasks: TaskManager) -> AsyncIterator[None]:
    """Requests that keep the loop, one after another, for the time of the block."""
    ends = False

    async def requests() -> None:
        while not ends:
            time.sleep(BLOCK)  # noqa: ASYNC251  (it is the point)
            await asyncio.sleep(0)

    async def strained() -> bool:
        return (await tasks.operations.health()).strained

    async with asyncio.TaskGroup() as group:
        group.create_task(requests())
        await wait_until(strained)
        try:
            yield
        finally:
            ends = True


@pytest.mark.parametrize("persist", [True, False])
@pytest.mark.parametrize("eager", [True, False])
async def test_nothing_starts_before_the_loop_is_in_time_again(manager, persist, eager):
    tasks = manager(max_loop_lag=LIMIT)
    calls = []

    @tasks.task(persist=persist, eager=eager)
    async def work(late):
        calls.append(late)

    async with tasks:
        async with late_loop(tasks):
            await tasks.enqueue(work, late=True)
            for _ in range(5):
                await asyncio.sleep(0)
            assert calls == []
        await wait_until(lambda: calls)

    assert calls == [True]


async def test_another_instance_runs_what_a_late_one_accepts(manager):
    late, other = manager(max_loop_lag=LIMIT), manager()
    ran = []

    def register(tasks: TaskManager, name: str) -> None:
        @tasks.task(name="work", persist=True)
        async def work() -> None:
            ran.append(name)

    for tasks, name in ((late, "late"), (other, "other")):
        register(tasks, name)
    async with late, other, late_loop(late):
        await late.enqueue(late.registry.by_name("work").func)
        await wait_until(lambda: ran)

    assert ran == ["other"]


async def test_health_says_so_and_the_log_once(manager, caplog):
    tasks = manager(max_loop_lag=LIMIT)

    async with tasks:
        async with late_loop(tasks):
            health = await tasks.operations.health()
        async with late_loop(tasks):
            pass

    assert health.ready
    assert any("max_loop_lag" in one for one in health.complaints)
    told = [one for one in caplog.messages if "max_loop_lag is 0.05 s" in one]
    assert len(told) == 1


async def test_without_a_limit_nobody_looks(manager):
    tasks = manager()

    async with tasks:
        names = {task.get_name() for task in asyncio.all_tasks()}
        health = await tasks.operations.health()

    assert "taskflow lateness" not in names
    assert not health.strained
