"""Titles and summaries from the function to every place that shows a task."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import InMemoryLogger, TaskAdmin, TaskManager, get_task_context
from fastapi_taskflow.loggers.lines import format_event
from fastapi_taskflow.testing import async_drain

CANARY = b"canary-4242"


async def bill(customer: str, password: str, *, fails: bool = False) -> None:
    context = get_task_context()
    assert context is not None
    context.summary(f"began for {password}")
    context.summary(f"sent 3 pages\nto {customer}, not {password}")
    if fails:
        raise ValueError("no")


@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
async def test_they_are_shown_on_every_instance_and_in_logs(
    tmp_path: Path, persist: bool, stored: bool
) -> None:
    logger = InMemoryLogger()
    path = tmp_path / "tasks.db" if stored or persist else None
    tasks = TaskManager(snapshot_db=path, loggers=[logger])
    tasks.task(persist=persist, title="Bill {customer} {password}")(bill)
    async with tasks:
        task_id = (await tasks.enqueue(bill, "Ada", "canary-4242")).task_id
        await async_drain(tasks)
        if path is None:
            record = await tasks.get(task_id)
        else:
            async with TaskManager(snapshot_db=path) as other:
                record = await other.get(task_id)

    assert record is not None
    assert (record.title, record.summary) == (
        "Bill Ada [redacted]",
        "sent 3 pages to Ada, not [redacted]",
    )
    last = logger.lifecycle_events[-1]
    assert (last.title, last.summary) == (record.title, record.summary)
    assert format_event(last).endswith(f" -- SUCCESS [{record.title}]: {record.summary}")


async def test_a_retry_and_a_slot_of_a_schedule_have_titles(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    tasks.task(persist=True, title="Bill {customer}")(bill)
    async with tasks:
        failed = (await tasks.enqueue(bill, "Ada", "x", fails=True)).task_id
        await async_drain(tasks)
        again = await tasks.retry(failed)
        await tasks.schedules.create("nightly", bill, every=3600, args=("Bob", "x"))
        slot = await tasks.schedules.run("nightly")
        await async_drain(tasks)
        records = [await tasks.get(one) for one in (failed, again, slot)]

    assert [one and one.title for one in records] == ["Bill Ada", "Bill Ada", "Bill Bob"]


def _left_in(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_file() and CANARY in one.read_bytes()]


async def test_they_are_sealed_in_the_store(tmp_path: Path) -> None:
    key = "dGhlIGtleSBvZiBhIHRlc3QsIDMyIGJ5dGVzIGxvbmc="
    path = tmp_path / "tasks.db"
    tasks = TaskManager(snapshot_db=path, encrypt_args_key=key)
    for number, persist in enumerate((True, False)):

        async def work(word: str) -> None:
            context = get_task_context()
            assert context is not None
            context.summary(f"had {word}")

        tasks.task(name=f"work{number}", persist=persist, title="On {word}")(work)
        async with tasks:
            task_id = (await tasks.enqueue(work, CANARY.decode())).task_id
            await async_drain(tasks)
            record = await tasks.get(task_id)
        async with TaskManager(snapshot_db=path) as keyless:
            unopened = await keyless.get(task_id)

        assert record is not None
        assert (record.title, record.summary) == ("On canary-4242", "had canary-4242")
        assert unopened is not None
        assert (unopened.title, unopened.summary) == (None, None)
    assert _left_in(tmp_path) == []


def test_lists_pages_and_searches_have_them(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    tasks.task(persist=True, title="Bill <{customer}>")(bill)
    app = FastAPI()
    TaskAdmin(app, tasks)

    @app.post("/")
    async def start() -> str:
        return (await tasks.enqueue(bill, "Ada", "x" * 9)).task_id

    with TestClient(app) as client:
        task_id = client.post("/").json()
        client.portal.call(async_drain, tasks)  # type: ignore[union-attr]
        (found,) = client.get("/tasks?q=<Ada>").json()
        (same,) = client.get("/tasks?q=3 pages").json()
        detail = client.get(f"/tasks/{task_id}").json()

    assert found == same
    assert (found["title"], found["summary"]) == (
        "Bill <Ada>",
        "sent 3 pages to Ada, not [redacted]",
    )
    assert (detail["title"], detail["summary"]) == (found["title"], found["summary"])
