"""What tasks returned: stored with their success, and waited for from anywhere."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    Cancel,
    ManagedBackgroundTasks,
    MemoryBackend,
    ResultUnavailable,
    TaskAdmin,
    TaskCancelled,
    TaskFailed,
    TaskManager,
)
from fastapi_taskflow.backends.base import StoredTask
from fastapi_taskflow.testing import async_drain, drain
from fastapi_taskflow.testing.conformance.work import plain
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]


@dataclass
class Report:
    rows: int
    at: datetime
    password: str = ""


REPORT = Report(3, datetime(2026, 1, 1, tzinfo=UTC), "hunter2hunter2")
VALUES = [0, "", "text", {"a": [1, None]}, (1, {2}), Decimal("1.10"), b"\0", REPORT]


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_values_come_back_as_they_were_on_every_instance(
    manager: Make, persist: bool
) -> None:
    def give_later(index: int) -> Report:
        return VALUES[index]  # type: ignore[return-value]

    async def give(index: int) -> Report:
        return VALUES[index]  # type: ignore[return-value]

    tasks, other = manager(), manager(roles={"observe"})
    for each in (tasks, other):
        each.task(persist=persist)(give)
        each.task(persist=persist)(give_later)
        await each.startup()
    numbers = range(len(VALUES))
    ids = [
        (await tasks.enqueue(func, number)).task_id
        for func in (give, give_later)
        for number in numbers
    ]

    here = [await tasks.result(task_id, timeout=60) for task_id in ids]
    there = [await other.result(task_id, timeout=60) for task_id in ids]
    records = [await tasks.get(task_id) for task_id in ids]

    assert here == there == VALUES * 2
    assert [type(value) for value in there] == [type(value) for value in VALUES] * 2
    assert [record and record.result for record in records] == VALUES * 2


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_whoever_waits_is_woken_by_the_end(manager: Make, persist: bool) -> None:
    gate, tasks, other = asyncio.Event(), manager(), manager(roles={"observe"})

    async def work() -> int:
        await gate.wait()
        return 7

    for each in (tasks, other):
        each.task(persist=persist)(work)
        await each.startup()
    task_id = (await tasks.enqueue(work)).task_id
    neighbour = (await tasks.enqueue(work)).task_id
    with pytest.raises(TimeoutError):
        await tasks.result(task_id, timeout=0.01)
    await wait_until(lambda: other.get(task_id))
    waiting = [asyncio.ensure_future(each.result(task_id)) for each in (tasks, tasks, other)]
    await asyncio.sleep(0)
    gate.set()

    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert await tasks.result(neighbour, timeout=60) == 7


class Counting(MemoryBackend):
    """A store that knows which tasks it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        self.asked += task_ids
        return await super().get(task_ids)


async def test_whoever_waits_for_a_duplicate_is_woken_by_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fastapi_taskflow.operations.results._LONG_PAUSE_SECONDS", 3_600.0)
    gate, store = asyncio.Event(), Counting()
    tasks, other = (TaskManager(snapshot_backend=store) for _ in range(2))

    async def work() -> int:
        await gate.wait()
        return 7

    for each in (tasks, other):
        each.task(persist=True)(work)
    async with tasks, other:
        first = await tasks.enqueue(work, idempotency_key="k")
        # Who was told an id before the store was asked keeps it as another name.
        added = ManagedBackgroundTasks(other)
        alias = added.add_task(work, idempotency_key="k")
        await added()
        store.asked.clear()
        waiting = asyncio.ensure_future(tasks.result(alias, timeout=60))
        await wait_until(lambda: first.task_id in store.asked)
        gate.set()

        assert alias != first.task_id
        assert await waiting == 7


async def test_another_end_is_told_as_what_it_was(manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def fail() -> None:
        raise LookupError("no such row")

    @tasks.task()
    async def stop() -> None:
        raise Cancel("not needed")

    await tasks.startup()
    failed, stopped = [(await tasks.enqueue(func)).task_id for func in (fail, stop)]

    with pytest.raises(TaskFailed, match="no such row") as found:
        await tasks.result(failed, timeout=60)
    with pytest.raises(TaskCancelled, match="not needed"):
        await tasks.result(stopped, timeout=60)
    with pytest.raises(ResultUnavailable, match="not found"):
        await tasks.result("018f0000-0000-7000-8000-000000000001", timeout=60)
    assert (found.value.task_id, found.value.error) == (failed, "no such row")


async def test_a_task_that_was_retried_is_followed(manager: Make) -> None:
    tasks, broken = manager(), [True]

    @tasks.task(persist=True)
    async def work() -> str:
        if broken:
            raise ValueError("broken")
        return "mended"

    await tasks.startup()
    task_id = (await tasks.enqueue(work)).task_id
    await async_drain(tasks, timeout=60)
    broken.clear()
    await tasks.retry(task_id)

    assert await tasks.result(task_id, timeout=60) == "mended"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (threading.Lock(), "Cannot store result"),
        ([1, {"a": object()}], r"Cannot store result\[1\]\['a'\]"),
        ("x" * 2_000, "takes more than 1000 bytes.*max_payload_bytes"),
    ],
    ids=["lock", "object", "large"],
)
@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_what_cannot_be_stored_is_a_success_that_says_why(
    manager: Make, persist: bool, value: Any, why: str
) -> None:
    tasks = manager(max_payload_bytes=1000)

    @tasks.task(persist=persist)
    async def give() -> Any:
        return value

    await tasks.startup()
    task_id = (await tasks.enqueue(give)).task_id
    with pytest.raises(ResultUnavailable, match=why):
        await tasks.result(task_id, timeout=60)
    record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == "success"
    assert record.result is None
    assert "result" in str(record.result_missing)


async def test_nothing_returned_is_nothing_and_no_lack(manager: Make) -> None:
    tasks = manager()

    @tasks.task(persist=True)
    async def give() -> None: ...

    await tasks.startup()
    task_id = (await tasks.enqueue(give)).task_id
    assert await tasks.result(task_id, timeout=60) is None
    record = await tasks.get(task_id)

    assert record is not None
    assert (record.result, record.result_missing) == (None, None)


async def test_a_result_is_kept_for_its_time(manager: Make) -> None:
    tasks = manager(snapshot_interval=0.05)

    async def give() -> int:
        return 7

    async def give_shortly() -> int:
        return 8

    async def give_nobody() -> int:
        return 9

    for func, ttl in ((give, 3_600.0), (give_shortly, 0.01), (give_nobody, 0)):
        tasks.task(persist=True, result_ttl=ttl)(func)
    await tasks.startup()
    ids = [(await tasks.enqueue(func)).task_id for func in (give, give_shortly, give_nobody)]

    async def gone() -> bool:
        record = await tasks.get(ids[1])
        return record is not None and record.result_missing is not None

    await wait_until(gone)
    with pytest.raises(ResultUnavailable, match="result_ttl"):
        await tasks.result(ids[1], timeout=60)
    with pytest.raises(ResultUnavailable, match="result_ttl is 0"):
        await tasks.result(ids[2], timeout=60)
    assert await tasks.result(ids[0], timeout=60) == 7


async def test_a_child_process_gives_its_result_or_says_why_not(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db", max_process_workers=1)
    for func in (plain.double, plain.give_unpicklable):
        tasks.task(executor="process", persist=True)(func)
    async with tasks:
        doubled = (await tasks.enqueue(plain.double, 21)).task_id
        lost = (await tasks.enqueue(plain.give_unpicklable)).task_id

        assert await tasks.result(doubled, timeout=60) == 42
        with pytest.raises(ResultUnavailable, match=r"cannot leave its process|annot store result"):
            await tasks.result(lost, timeout=60)


async def test_a_result_is_sealed_in_the_store(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    tasks = TaskManager(snapshot_db=path, encrypt_args_key="a secret of sixteen bytes")

    @tasks.task(persist=True)
    async def give() -> Report:
        return REPORT

    async with tasks:
        task_id = (await tasks.enqueue(give)).task_id
        assert await tasks.result(task_id, timeout=60) == REPORT
        record = await tasks.get(task_id)
    async with TaskManager(snapshot_db=path) as unable:
        with pytest.raises(ResultUnavailable, match="encrypt_args_key"):
            await unable.result(task_id, timeout=60)

    assert record is not None
    assert record.result is None
    assert b"hunter2" not in path.read_bytes()


@pytest.mark.parametrize("shown", [False, True])
def test_it_is_shown_where_arguments_are(shown: bool) -> None:
    tasks = TaskManager()
    app = FastAPI()
    TaskAdmin(app, tasks, auto_install=True, display_func_args=shown)

    @tasks.task()
    def give() -> Report:
        return REPORT

    @app.post("/")
    async def add() -> str:
        return (await tasks.enqueue(give)).task_id

    with TestClient(app) as client:
        task_id = client.post("/").json()
        drain(tasks, timeout=60)
        record = client.get(f"/tasks/{task_id}").json()
        listed = client.get("/tasks").json()

    assert record["result_missing"] is None
    assert ("rows=3" in str(record.get("result"))) is shown
    assert "hunter2" not in f"{record}{listed}"


async def test_who_waits_has_a_plain_result_as_soon_as_it_is_there(manager: Make) -> None:
    async def give(number: int) -> int:
        return number

    tasks = manager()
    tasks.task()(give)
    await tasks.startup()
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    for number in range(20):
        begun = loop.time()
        assert await tasks.result((await tasks.enqueue(give, number)).task_id) == number
        taken.append(loop.time() - begun)
    # The fastest: a busy machine slows some of them, a pause before the next look all of them.
    assert min(taken) < 0.05
