"""Failed attempts by group, wherever their functions run."""

import asyncio
from pathlib import Path

import pytest

from fastapi_taskflow import TaskManager
from fastapi_taskflow.backends.base import FailureQuery
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing import async_drain
from tests.support import childwork


def breaks(kind: str) -> None:
    raise {"value": ValueError, "key": KeyError}[kind](kind)


async def groups(path: Path) -> dict[str, int]:
    backend = SqliteBackend(path)
    await backend.open(lambda: None)
    found = await backend.failures(FailureQuery())
    await backend.close()
    return {one.kind: one.times for one in found}


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_attempts_that_fail_alike_are_one_group(tmp_path: Path, persist: bool) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    tasks.task(persist=persist, retries=1)(breaks)
    async with tasks:
        ids = [(await tasks.enqueue(breaks, kind)).task_id for kind in ("value", "key", "value")]
        await async_drain(tasks)
        records = [await tasks.get(one) for one in ids]

    first, second, third = [one and one.failure for one in records]
    assert first == third
    assert first != second
    # Of a task that is not durable, attempts that are retried are not stored.
    times = 2 if persist else 1
    assert await groups(tmp_path / "tasks.db") == {"ValueError": 2 * times, "KeyError": times}


async def test_threads_and_children_find_the_same_group(tmp_path: Path) -> None:
    found = set()
    for executor in ("thread", "process"):
        tasks = TaskManager(snapshot_db=tmp_path / f"{executor}.db", max_process_workers=1)
        tasks.task(persist=True, executor=executor)(childwork.fails_first)
        async with tasks:
            task_id = (await tasks.enqueue(childwork.fails_first)).task_id
            await async_drain(tasks, timeout=60)
            record = await tasks.get(task_id)
        assert record is not None
        assert record.failure is not None
        found.add(record.failure)

    assert len(found) == 1


async def test_a_timeout_is_a_group_of_its_own(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")

    @tasks.task(persist=True, timeout=0.05)
    async def hangs() -> None:
        await asyncio.Event().wait()

    async with tasks:
        await tasks.enqueue(hangs)
        await async_drain(tasks)

    assert await groups(tmp_path / "tasks.db") == {"TimeoutError": 1}
