"""Actions on all tasks that match: each task once, whatever becomes of who began it."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import MemoryBackend, SqliteBackend, TaskManager
from fastapi_taskflow.backends.base import (
    Backend,
    Outcome,
    Query,
    ScheduleChange,
    StoredSchedule,
)
from fastapi_taskflow.operations import BulkInfo, Operations
from fastapi_taskflow.rules.bulk import Bulk, BulkState, bulk_key
from fastapi_taskflow.testing import async_drain
from fastapi_taskflow.testing.conformance.harness import A, ignore, instance, request, task
from fastapi_taskflow.words.errors import BulkNotFound, ConfigurationError
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move
from tests.support.waiting import wait_until

FAILED = Failure("a" * 16, "ValueError")


async def with_failures(backend: Backend, number: int) -> None:
    """So many failed tasks of a function that nobody has."""
    await backend.open(ignore)
    await backend.enlist(instance(A))
    await backend.insert([[task(func_name="gone")] for _ in range(number)])
    claims = await backend.claim(
        request(functions=frozenset({"gone"}), queues={"default": number}, limit=number)
    )
    leases = [one.lease for one in claims]
    await backend.start(leases)
    await backend.finish([Outcome(one, Move.FAIL, error="no", failure=FAILED) for one in leases])
    await backend.retire(A)
    await backend.close()


async def over(tasks: TaskManager, info: BulkInfo) -> BulkInfo:
    operations = Operations(tasks.runtime)

    async def ended() -> bool:
        return (await operations.get_bulk(info.bulk_id)).status != "running"

    await wait_until(ended, within=60)
    return await operations.get_bulk(info.bulk_id)


async def retries(backend: Backend) -> list[str]:
    found, cursor = [], None
    while True:
        page = await backend.search(Query(), limit=1000, cursor=cursor)
        found += [one.record.retry_of for one in page.tasks if one.record.retry_of]
        cursor = page.cursor
        if cursor is None:
            return found


async def test_a_group_is_retried_as_a_whole(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "tasks.db")
    await with_failures(backend, 250)
    tasks = TaskManager(snapshot_backend=backend)
    async with tasks:
        operations = Operations(tasks.runtime)
        query = Query(failure=FAILED.group)
        count = await operations.preview_bulk("retry", query)
        info = await over(tasks, await operations.start_bulk("retry", query, actor="me"))
        again = await over(tasks, await operations.start_bulk("retry", query))
        entries, _ = await operations.audit(limit=9)
        listed = await operations.list_bulk()
        found = await retries(backend)

    assert count.count.number == 250
    assert (info.status, info.found, info.done, info.refused) == ("done", 250, 250, 0)
    assert (again.found, again.done) == (0, 0)
    assert len(found) == len(set(found)) == 250
    assert [one.bulk_id for one in listed] == [again.bulk_id, info.bulk_id]
    assert [(one.action, one.task_id) for one in entries[1:]] == [("bulk_retry", info.bulk_id)]


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("persist", [False, True], ids=["plain", "durable"])
async def test_a_retry_runs_once_with_the_same_arguments(
    tmp_path: Path, kind: str, persist: bool
) -> None:
    calls: list[Any] = []
    path = tmp_path / "tasks.db"
    backend = MemoryBackend() if kind == "memory" else SqliteBackend(path)
    tasks = TaskManager(snapshot_backend=backend)

    @tasks.task(persist=persist, title="No. {number}")
    async def work(number: int, *, note: str) -> None:
        calls.append((number, note))
        if len(calls) == 1:
            raise ValueError

    async with tasks:
        await tasks.enqueue(work, 7, note="a")
        await async_drain(tasks)
        operations = Operations(tasks.runtime)
        info = await over(tasks, await operations.start_bulk("retry", Query(func_name="work")))
        await wait_until(lambda: len(calls) == 2)
        await async_drain(tasks)
        page = await backend.search(Query(), limit=9)

    assert (info.done, info.refused) == (1, 0)
    assert calls == [(7, "a")] * 2
    assert [(one.record.status.value, one.record.title) for one in page.tasks] == [
        ("success", "No. 7"),
        ("failed", "No. 7"),
    ]


async def test_what_waits_is_cancelled_and_what_runs_is_asked(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    running = asyncio.Event()

    @tasks.task(persist=True)
    async def work() -> None:
        running.set()
        await asyncio.Event().wait()

    async with tasks:
        await tasks.enqueue(work, tags={"customer": "7"})
        await running.wait()
        await tasks.pause("default")
        for customer in "787":
            await tasks.enqueue(work, tags={"customer": customer})
        operations = Operations(tasks.runtime)
        query = Query(tag=("customer", "7"))
        info = await over(tasks, await operations.start_bulk("cancel", query))
        cancelled = frozenset({TaskStatus.CANCELLED})

        async def ended() -> bool:
            return (await operations.count(Query(statuses=cancelled))).number == 3

        await wait_until(ended)
        left = await operations.count(Query(statuses=frozenset({TaskStatus.PENDING})))

    assert (info.found, info.done, info.refused) == (3, 3, 0)
    assert left.number == 1


async def test_what_fails_after_it_was_counted_is_left_alone(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    going = asyncio.Event()

    @tasks.task(persist=True)
    async def work(waits: bool) -> None:
        if waits:
            await going.wait()
        raise ValueError

    async with tasks:
        operations = Operations(tasks.runtime)
        counted = await tasks.enqueue(work, False)
        ended = Query(statuses=frozenset({TaskStatus.FAILED}))

        async def failed() -> bool:
            return (await operations.count(ended)).number == 1

        await wait_until(failed)
        await tasks.enqueue(work, True)
        query = Query(func_name="work")
        preview = await operations.preview_bulk("retry", query)
        going.set()
        await tasks.enqueue(work, False)
        await async_drain(tasks)
        info = await over(tasks, await operations.start_bulk("retry", query, before=preview.at))
        found = await retries(tasks.runtime.backend)

    # The one that ran when it was counted is found; that which was made later is not.
    assert (preview.count.number, info.found, info.done, info.refused) == (1, 2, 1, 1)
    assert [one.reason for one in info.refusals] == ["It ended after it was counted."]
    assert found == [counted.task_id]


async def test_it_can_be_called_off(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "tasks.db")
    await with_failures(backend, 1)
    nobody = TaskManager(snapshot_backend=backend, roles={"enqueue"})
    async with nobody:
        operations = Operations(nobody.runtime)
        info = await operations.start_bulk("retry", Query(func_name="gone"))
        cancelled = await operations.cancel_bulk(info.bulk_id)
    async with TaskManager(snapshot_db=tmp_path / "tasks.db") as other:
        assert (await Operations(other.runtime).get_bulk(info.bulk_id)).status == "cancelled"
        assert await retries(other.runtime.backend) == []

    assert (info.status, cancelled.status, cancelled.found) == ("running", "cancelled", 0)


async def test_the_newest_are_listed_however_many_there_are() -> None:
    store = MemoryBackend()
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    over = BulkState().over("done", long_ago)
    old = Bulk("retry", {"func_name": "work"}, "me", long_ago.isoformat())
    rows = [
        StoredSchedule(
            bulk_key(new_id()), 1, old.text(), over.text(), None, long_ago + timedelta(days=9999)
        )
        for _ in range(5_500)
    ]
    async with TaskManager(snapshot_backend=store) as tasks:
        await store.schedules.change([ScheduleChange(row.name, 0, row) for row in rows])
        operations = Operations(tasks.runtime)
        begun = await operations.start_bulk("cancel", Query(func_name="nobody"))
        listed = await operations.list_bulk(limit=2)

    assert [bulk_key(one.bulk_id) for one in listed] == [bulk_key(begun.bulk_id), rows[-1].name]


async def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    async with TaskManager(snapshot_db=tmp_path / "tasks.db") as tasks:
        operations = Operations(tasks.runtime)
        with pytest.raises(ConfigurationError, match="All tasks of the store"):
            await operations.start_bulk("cancel", Query())
        running = Query(statuses=frozenset({TaskStatus.RUNNING}), func_name="f")
        with pytest.raises(ConfigurationError, match="running cannot be retried"):
            await operations.preview_bulk("retry", running)
        with pytest.raises(BulkNotFound):
            await operations.get_bulk("none")


WORKER = """
import asyncio, sys
from fastapi_taskflow import TaskManager

async def main():
    async with TaskManager(snapshot_db=sys.argv[1]):
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.crash
async def test_another_instance_goes_on_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    await with_failures(SqliteBackend(path), 3_000)
    async with TaskManager(snapshot_db=path, roles={"enqueue"}) as starter:
        operations = Operations(starter.runtime)
        info = await operations.start_bulk("retry", Query(failure=FAILED.group))
        with subprocess.Popen([sys.executable, "-c", WORKER, str(path)]) as worker:  # noqa: ASYNC220

            async def has_begun() -> bool:
                return (await operations.get_bulk(info.bulk_id)).found > 0

            await wait_until(has_begun, within=60)
            os.kill(worker.pid, signal.SIGKILL)
        then = await operations.get_bulk(info.bulk_id)
        async with TaskManager(snapshot_db=path) as other:
            done = await over(other, info)
            found = await retries(other.runtime.backend)

    assert (then.status, done.status) == ("running", "done")
    assert 0 < then.found < 3_000
    assert (done.found, done.done, done.refused) == (3_000, 3_000, 0)
    assert len(found) == len(set(found)) == 3_000
