"""What happens to tasks that need more memory than they may, and to others."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import ConfigurationError, TaskManager, TaskRecord
from fastapi_taskflow.executors import Executor, Returned
from tests.support import childwork, memorywork
from tests.support.gone import is_gone
from tests.support.waiting import wait_until

LIMIT = "200MB"


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[TaskManager]:
    """With two processes."""
    manager = TaskManager(max_process_workers=2, process_shutdown_timeout=0.2)
    for func in (childwork.meets, childwork.own_pid, memorywork.keeps):
        manager.task(executor="process")(func)
    async with manager:
        yield manager
        (tmp_path / "open").touch()


async def added(tasks: TaskManager, func: Any, *args: Any, **settings: Any) -> str:
    if not tasks.registry.is_registered(func):
        tasks.task(executor="process", **settings)(func)
    return (await tasks.enqueue(func, *args)).task_id


async def ended(tasks: TaskManager, task_id: str) -> TaskRecord:
    async def look() -> TaskRecord | None:
        record = await tasks.get(task_id)
        return record if record is not None and record.end_time is not None else None

    record: TaskRecord = await wait_until(look)
    return record


async def pid_of(place: Path, name: str) -> int:
    await wait_until((place / f"{name} is").exists)
    return int((place / f"{name} is").read_text())


async def test_what_holds_too_much_fails_and_nobody_else(
    tasks: TaskManager, tmp_path: Path
) -> None:
    neighbour = await added(tasks, childwork.meets, str(tmp_path), "neighbour")
    await pid_of(tmp_path, "neighbour")
    task_id = await added(
        tasks, memorywork.maps, str(tmp_path), "large", 400, memory_limit=LIMIT, retries=1
    )
    record = await ended(tasks, task_id)
    (tmp_path / "open").touch()

    assert (record.status.value, record.retries_used) == ("failed", 1)
    assert str(record.error).startswith("Too much memory: its process held ")
    assert str(record.error).endswith(" MB, its memory_limit is 200 MB")
    assert (await ended(tasks, neighbour)).status.value == "success"


async def test_what_it_started_counts_and_ends_with_it(tasks: TaskManager, tmp_path: Path) -> None:
    func = memorywork.holds_in_others
    task_id = await added(tasks, func, str(tmp_path), "large", 400, memory_limit=LIMIT)
    record = await ended(tasks, task_id)
    pids = [await pid_of(tmp_path, "large")]
    pids += map(int, (tmp_path / "started").read_text().split())

    assert (record.status.value, str(record.error)[:16]) == ("failed", "Too much memory:")
    await wait_until(lambda: all(map(is_gone, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")
async def test_what_asks_for_too_much_gets_an_error_of_its_own(
    tasks: TaskManager, tmp_path: Path
) -> None:
    task_id = await added(
        tasks, memorywork.holds, str(tmp_path), "large", 400, memory_limit=LIMIT, retry_on=OSError
    )
    record = await ended(tasks, task_id)

    assert record.status.value == "failed"
    assert record.error == "MemoryError (its memory_limit is 200 MB)"
    assert "in holds" in str(record.stacktrace)


async def test_its_process_has_no_limit_afterwards(tasks: TaskManager, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    small = await added(tasks, memorywork.holds, str(tmp_path), "small", 20, memory_limit=LIMIT)
    assert (await ended(tasks, small)).status.value == "success"
    record = await ended(tasks, await added(tasks, memorywork.keeps, 400))

    assert record.status.value == "success"


async def test_what_others_left_behind_does_not_count(tasks: TaskManager, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    tasks.task(executor="process", memory_limit=LIMIT)(memorywork.holds)
    for name in ("first", "second"):
        assert (await ended(tasks, await added(tasks, memorywork.keeps, 150))).status.value == (
            "success"
        )
        task_id = await added(tasks, memorywork.holds, str(tmp_path), name, 100)
        assert (await ended(tasks, task_id)).status.value == "success"


async def test_a_limit_below_what_there_is_says_so(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, memorywork.holds, str(tmp_path), "x", 1, memory_limit="17MB")
    record = await ended(tasks, task_id)

    assert record.status.value == "failed"
    assert str(record.error).startswith("Too much memory: its process held")
    assert str(record.error).endswith("its memory_limit is 17 MB")


async def test_an_executor_of_ones_own_is_told_of_the_limit() -> None:
    class Noting(Executor):
        def run(self, call, ended, log):
            seen.append(call.memory_limit)
            ended(Returned())

    def work() -> None: ...

    seen: list[int | None] = []
    tasks = TaskManager(executors={"own": Noting()})
    tasks.task(executor="own", memory_limit="1.5GiB")(work)
    async with tasks:
        await ended(tasks, (await tasks.enqueue(work)).task_id)

    assert seen == [1_610_612_736]


@pytest.mark.parametrize("executor", [None, "thread"])
def test_where_memory_is_shared_there_is_no_limit(executor: str | None) -> None:
    with pytest.raises(ConfigurationError, match="memory_limit needs executor='process'"):
        TaskManager().task(executor=executor, memory_limit=LIMIT)(childwork.own_pid)
