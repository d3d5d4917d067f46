"""Keys are changed beside running tasks, and after being cut off."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastapi_taskflow import Backend, SqliteBackend, TaskManager
from fastapi_taskflow.backends.base import Grade, Lease, LogChunk
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sealed import SealedBackend, rotate
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.operations.rotation import Rotated, rotate_keys
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.testing.conformance.harness import (
    A,
    accept,
    end,
    find,
    ignore,
    instance,
    run,
    running,
    task,
)
from fastapi_taskflow.testing.conformance.scheduling import schedule, schedules_of, store_all
from fastapi_taskflow.words.states import Move

OLD, NEW = "the secret of last year", "the secret of this year"
OLD_RING, BOTH, NEW_RING = Keyring(OLD), Keyring([NEW, OLD]), Keyring(NEW)


async def fill(backend: Backend, count: int) -> list[str]:
    """The ids of tasks that failed twice and logged."""
    made = [task(queue=f"q{n}") for n in range(count)]
    await accept(backend, *made)
    for new in made:
        for move in (Move.RETRY, Move.FAIL):
            lease = await run(backend, new)
            await backend.append_logs([LogChunk(lease, ("one", "two"))])
            await end(backend, lease, move, error="why", stacktrace="where")
    return [new.task_id for new in made]


async def assert_whole(backend: Backend, task_ids: list[str]) -> None:
    for task_id in task_ids:
        stored = await find(backend, task_id)
        record = stored.record
        assert (stored.payload, stored.unopened) == (b"payload", False)
        assert (record.error, record.stacktrace) == ("why", "where")
        assert record.logs == ["one", "two"] * 2
        assert [(one.error, one.stacktrace) for one in await backend.attempts(task_id)] == [
            ("why", "where")
        ]


@pytest.fixture(params=["memory", "sqlite"])
async def raw(request: pytest.FixtureRequest, tmp_path: Path):
    backend: Backend = MemoryBackend()
    if request.param == "sqlite":
        backend = SqliteBackend(str(tmp_path / "tasks.db"))
    await backend.open(ignore)
    await backend.enlist(instance(A))
    yield backend
    await backend.close()


@pytest.mark.parametrize("before", [OLD_RING, None])
async def test_afterwards_the_new_key_alone_opens_everything(raw: Backend, before: Keyring | None):
    made = await fill(SealedBackend(raw, before), 3)

    rotated = await rotate(raw, BOTH)

    assert (rotated.overtaken, rotated.unopened, rotated.cursor) == (0, 0, None)
    assert rotated.replaced >= 3 * 7
    await assert_whole(SealedBackend(raw, NEW_RING), made)
    assert (await rotate(raw, BOTH)).replaced == 0


@pytest.mark.parametrize("before", [OLD_RING, None])
async def test_afterwards_the_new_key_alone_opens_schedules(raw: Backend, before: Keyring | None):
    one = schedule(payload=b"a secret")
    await store_all(SealedBackend(raw, before), one, schedule("other", payload=None))

    rotated = await rotate(raw, BOTH)
    (found,) = await schedules_of(SealedBackend(raw, NEW_RING)).find([one.name])
    (unopened,) = await schedules_of(SealedBackend(raw, OLD_RING)).find([one.name])

    assert rotated.replaced == 1
    assert found is not None
    assert (found.payload, found.definition, found.unopened) == (b"a secret", "when", False)
    assert unopened is not None
    assert unopened.unopened
    assert b"a secret" not in (unopened.payload or b"")
    assert (await rotate(SealedBackend(raw, BOTH), BOTH)).replaced == 0
    assert (await rotate(raw, Keyring("a secret of nobody else"))).unopened == 1


async def test_what_no_key_opens_is_counted_and_left(raw: Backend):
    made = await fill(SealedBackend(raw, OLD_RING), 1)

    rotated = await rotate(raw, NEW_RING)

    assert rotated.replaced == 0
    assert rotated.unopened > 0
    await assert_whole(SealedBackend(raw, OLD_RING), made)


async def test_progress_is_told_and_a_cursor_goes_on_from_there(raw: Backend):
    made = await fill(SealedBackend(raw, OLD_RING), 2)
    more = [task(queue="rest") for _ in range(150)]
    await accept(SealedBackend(raw, OLD_RING), *more)
    told: list[Rotated] = []

    whole = await rotate(raw, BOTH, progress=told.append)
    again = await rotate(raw, Keyring([OLD, NEW]), cursor=told[0].cursor)

    assert told[0].replaced < whole.replaced
    assert told[0].cursor is not None
    assert again.replaced == len(made) + len(more) - 100
    await assert_whole(SealedBackend(raw, NEW_RING), made)


class Overtaking(SealedBackend):
    """Ends a task between the reading and the writing of its contents."""

    lease: Lease | None = None

    async def around(self, verb, asked, call):
        lease = self.lease
        if verb == "rewrite" and lease is not None:
            self.lease = None
            await end(self, lease, Move.FAIL, error="newer")
        return await super().around(verb, asked, call)


async def test_an_end_that_comes_between_wins(raw: Backend):
    store = Overtaking(raw, BOTH)
    assert store.grade in Grade
    lease = await running(SealedBackend(raw, OLD_RING))
    await end(SealedBackend(raw, OLD_RING), lease, Move.RETRY, error="older")
    (stored,) = await raw.get([lease.task_id])
    assert stored is not None
    new = task(lease.task_id)
    store.lease = await run(raw, new)

    rotated = await rotate(store, BOTH)

    assert rotated.overtaken == 1
    record = (await find(SealedBackend(raw, NEW_RING), lease.task_id)).record
    assert record.error == "newer"
    (attempt,) = await SealedBackend(raw, NEW_RING).attempts(lease.task_id)
    assert attempt.error == "older"


DYING = """
import asyncio, os, signal, sys
from fastapi_taskflow import TaskManager
from fastapi_taskflow.operations.rotation import rotate_keys

async def main():
    manager = TaskManager(snapshot_db=sys.argv[1], encrypt_args_key=sys.argv[2:], roles=["enqueue"])
    async with manager:
        await rotate_keys(manager.runtime, progress=lambda _: os.kill(os.getpid(), signal.SIGKILL))

asyncio.run(main())
"""


@pytest.mark.crash
async def test_a_rotation_that_was_killed_is_begun_again_and_loses_nothing(tmp_path: Path):
    path = str(tmp_path / "tasks.db")
    raw = SqliteBackend(path)
    await raw.open(ignore)
    await raw.enlist(instance(A))
    made = await fill(SealedBackend(raw, OLD_RING), 3)
    await accept(SealedBackend(raw, OLD_RING), *(task(delay=999.0) for _ in range(150)))

    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DYING, path, NEW, OLD], check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    await assert_whole(SealedBackend(raw, BOTH), made)
    half = (await rotate(raw, NEW_RING)).unopened
    assert 0 < half < 150 + 3 * 7

    rotated = await rotate(raw, BOTH)
    assert rotated.replaced == half
    assert (await rotate(raw, NEW_RING)).unopened == 0
    await assert_whole(SealedBackend(raw, NEW_RING), made)
    await raw.close()


async def test_the_operation_needs_a_key_and_leaves_an_audit_entry(
    manager: Callable[..., TaskManager],
):
    keyless, tasks = manager(encrypt_args_key=None), manager()

    @tasks.task(persist=True)
    async def job() -> None: ...

    async with tasks:
        await tasks.enqueue(job, delay=60)
        rotated = await rotate_keys(tasks.runtime, actor="eve")
        (entry, *_), _ = await tasks.operations.audit(limit=1)
        with pytest.raises(ConfigurationError, match="encrypt_args_key"):
            await rotate_keys(keyless.runtime)

    assert (entry.action, entry.actor) == ("rotate_keys", "eve")
    assert entry.detail == {"replaced": rotated.replaced, "unopened": 0}
