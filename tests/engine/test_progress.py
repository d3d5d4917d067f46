"""How far a task has come, wherever it runs and whoever asks."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    MemoryBackend,
    SqliteBackend,
    TaskAdmin,
    TaskManager,
    TaskRecord,
    get_task_context,
    task_log,
)
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.executors import Progress
from fastapi_taskflow.testing import async_drain
from tests.support import childwork
from tests.support.gates import Gate
from tests.support.waiting import wait_until

STEPS = 20_000


class Counting(Forwarding):
    """Counts what is written while tasks run."""

    def __init__(self, inner: SqliteBackend) -> None:
        super().__init__(inner)
        self.writes = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[Any]) -> Any:
        self.writes += verb in ("append_logs", "mirror")
        return await call()


async def awaits_advances(place: str, steps: int) -> None:
    await asyncio.to_thread(childwork.advances, place, steps)


def stored(tasks: TaskManager, task_id: str) -> Callable[[], Any]:
    async def look() -> TaskRecord | None:
        return await tasks.get(task_id)

    return look


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_progress_is_seen_from_another_instance_while_the_task_runs(
    tmp_path: Path, executor: str, persist: bool
) -> None:
    backend = Counting(SqliteBackend(tmp_path / "tasks.db"))
    tasks = TaskManager(snapshot_backend=backend, redact=["place"], max_process_workers=1)
    func = awaits_advances if executor == "async" else childwork.advances
    tasks.task(executor=executor, persist=persist)(func)
    async with tasks, TaskManager(snapshot_db=tmp_path / "tasks.db") as other:
        task_id = (await tasks.enqueue(func, str(tmp_path), STEPS)).task_id
        here, there = stored(tasks, task_id), stored(other, task_id)

        async def seen() -> bool:
            record = await there()
            return record is not None and _done(record) == STEPS - 1

        await wait_until(seen)
        running = await there()
        (tmp_path / "open").touch()
        await async_drain(tasks, timeout=60)
        ended = [await here(), await there()]
        writes = backend.writes

    assert running.status.value == "running"
    assert running.progress == Progress(STEPS - 1, STEPS, "for [redacted]")
    assert [record.progress for record in ended] == [Progress(STEPS, STEPS)] * 2
    assert writes < STEPS / 20


def _done(record: TaskRecord) -> float:
    return -1 if record.progress is None else record.progress.done


async def test_a_retry_shows_the_progress_that_there_was_until_its_own(
    tmp_path: Path,
) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    seen = []

    @tasks.task(retries=1, persist=True)
    async def work() -> None:
        context = get_task_context()
        assert context is not None
        record = await tasks.get(context.task_id)
        assert record is not None
        seen.append(record.progress)
        context.progress(context.attempt + 1)
        if context.attempt == 0:
            raise ValueError

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert (seen, record.progress) == ([None, Progress(1)], Progress(2))


@pytest.mark.parametrize("amount", [math.nan, math.inf, -1, "3", True, 2**60, None])
async def test_what_is_no_amount_is_refused(amount: Any) -> None:
    tasks = TaskManager()

    @tasks.task()
    def work() -> None:
        context = get_task_context()
        assert context is not None
        context.progress(0, amount or 1)
        context.progress(amount, 1)

    async with tasks:
        task_id = (await tasks.enqueue(work)).task_id
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert "a number from 0 up" in str(record.error)


def test_lists_and_details_show_it() -> None:
    tasks = TaskManager()
    app = FastAPI()
    TaskAdmin(app, tasks, auto_install=True)

    @tasks.task()
    def work() -> None:
        context = get_task_context()
        assert context is not None
        context.progress(1.5, 2, "<half>\x1b[2J of " + "it" * 1_000)

    @app.post("/")
    async def add() -> str:
        return (await tasks.enqueue(work)).task_id

    with TestClient(app) as client:
        task_id = client.post("/").json()

        def ended() -> Any:
            record = client.get(f"/tasks/{task_id}").json()
            return record if record["end_time"] else None

        while (record := ended()) is None:
            pass
        (listed,) = client.get("/tasks").json()

    assert (record["progress"]["done"], record["progress"]["total"]) == (1.5, 2.0)
    assert record["progress"]["message"].startswith("<half> of it")
    assert len(record["progress"]["message"].encode()) <= 1_024
    assert listed["progress"] == record["progress"]


class Slow(Forwarding):
    """Takes long to add to a log."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.gate = Gate()

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[Any]) -> Any:
        if verb == "append_logs":
            await self.gate.stand()
        return await call()


async def test_who_is_tired_of_waiting_for_a_list_takes_no_line_of_a_log_away() -> None:
    store = Slow()
    tasks = TaskManager(snapshot_backend=store)
    said, goes_on = asyncio.Event(), asyncio.Event()

    @tasks.task(persist=True)
    async def says() -> None:
        task_log("said once")
        said.set()
        await goes_on.wait()

    async with tasks:
        task_id = (await tasks.enqueue(says)).task_id
        await said.wait()
        # At once, so that it is what writes the line.
        asks = asyncio.create_task(tasks.merged_list())
        await store.gate.reached()
        asks.cancel()
        await asyncio.wait([asks])
        store.gate.open()
        goes_on.set()
        await tasks.result(task_id, timeout=20)
        record = await tasks.get(task_id)

    assert record is not None
    assert [line[20:] for line in record.logs] == ["said once"]
