"""Open, close and open again; and a look from a script."""

import asyncio
import threading
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.exceptions import ConfigurationError, StoreUnavailable
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.testing.conformance.harness import accept, find, instance, task
from fastapi_taskflow.words.states import Move
from tests.sqlite.conftest import gone
from tests.support.waiting import wait_until


def own_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "sqlite" in thread.name}


async def test_closing_finishes_what_was_handed_in(backend: SqliteBackend, path: str):
    handed_in = [asyncio.ensure_future(backend.insert([[task()]])) for _ in range(20)]
    await asyncio.sleep(0)

    await backend.close()

    assert len(await asyncio.gather(*handed_in)) == 20
    assert len(SqliteBackend(path).query()) == 20


async def test_closing_twice_and_closing_the_unopened_is_nothing(path: str):
    backend = SqliteBackend(path)
    await backend.close()
    await backend.open(lambda: None)
    await backend.close()
    await backend.close()

    assert own_threads() == set()


async def test_the_last_to_close_leaves_one_file(backend: SqliteBackend, path: str):
    await accept(backend, task())

    await backend.close()

    assert {file.name for file in Path(path).parent.iterdir() if file.is_file()} == {"tasks.db"}


async def test_a_failed_open_leaves_no_thread(tmp_path: Path):
    with pytest.raises(ConfigurationError):
        await SqliteBackend(str(tmp_path / "missing" / "tasks.db")).open(lambda: None)

    assert own_threads() == set()


def test_a_second_lifespan_on_another_loop_goes_on(path: str):
    backend = SqliteBackend(path)
    new = task()

    async def first() -> None:
        await backend.open(lambda: None)
        await accept(backend, new)
        await backend.close()

    async def second() -> TaskStatus:
        await backend.open(lambda: None)
        found = await find(backend, new.task_id)
        await backend.close()
        return found.record.status

    asyncio.run(first())
    assert asyncio.run(second()) is TaskStatus.PENDING


def test_a_loop_that_ended_without_closing_does_not_block_the_next(path: str):
    backend = SqliteBackend(path)

    async def careless() -> None:
        await backend.open(lambda: None)
        await backend.enlist(instance("a"))

    async def careful() -> None:
        try:
            await backend.open(lambda: None)
        # That thread was just taking its log away.
        except StoreUnavailable:
            await backend.open(lambda: None)
        # The thread that its loop has left notices in its own time.
        await wait_until(lambda: gone(backend))
        await backend.close()

    asyncio.run(careless())
    asyncio.run(careful())


async def test_one_backend_for_two_managers_is_refused(backend: SqliteBackend):
    with pytest.raises(ConfigurationError, match="of its own"):
        await backend.open(lambda: None)

    await accept(backend, task())


async def test_a_script_looks_without_opening(backend: SqliteBackend, path: str):
    await backend.enlist(instance("a"))
    failed, waiting = task(owner="a"), task(func_name="g")
    await accept(backend, failed, waiting)
    lease = Lease(failed.task_id, 1)
    await backend.start([lease])
    await backend.finish([Outcome(lease, Move.FAIL, error="boom")])
    script = SqliteBackend(path)

    assert [row["task_id"] for row in script.query()] == [waiting.task_id, failed.task_id]
    assert [row["error"] for row in script.query(status="failed")] == ["boom"]
    assert [row["func_name"] for row in script.query(func_name="g")] == ["g"]
    assert script.query(TaskStatus.SUCCESS) == []
    assert len(script.query(limit=1)) == 1


def test_a_look_at_nothing_makes_no_file(path: str):
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        SqliteBackend(path).query()

    assert not Path(path).exists()


def test_a_look_for_an_unknown_status_is_refused(path: str):
    with pytest.raises(ValueError, match="done"):
        SqliteBackend(path).query(status="done")
