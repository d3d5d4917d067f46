"""Locks between processes: the write lock, life locks, and processes that die or stop."""
# ruff: noqa: ASYNC222  (a test may block its own loop)

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.lifelocks import LifeLocks
from fastapi_taskflow.backends.sqlite.lockfiles import LockFile, store_directory
from fastapi_taskflow.backends.sqlite.locks import WriteLock
from fastapi_taskflow.exceptions import StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import (
    accept,
    beat,
    claim,
    instance,
    recover_all,
    task,
)
from tests.sqlite.conftest import Opener, Spawner, gone
from tests.support.waiting import wait_until

HOLD_WRITE_LOCK = """
    import sys
    from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
    from fastapi_taskflow.backends.sqlite.locks import WriteLock

    lock = WriteLock(store_directory(sys.argv[1]))
    with lock.held(5.0):
        print("ready", flush=True)
        sys.stdin.readline()
    print("released", flush=True)
    sys.stdin.readline()
"""

LIVE = """
    import asyncio, sys
    from fastapi_taskflow.backends.sqlite import SqliteBackend
    from fastapi_taskflow.testing.conformance.harness import accept, instance, task

    async def main():
        backend = SqliteBackend(sys.argv[1])
        await backend.open(lambda: None)
        await backend.enlist(instance(sys.argv[2]))
        await accept(backend, task(owner=sys.argv[2]))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(main())
"""

LIVE_WITH_A_FORKED_CHILD = """
    import asyncio, os, sys, time
    from fastapi_taskflow.backends.sqlite import SqliteBackend
    from fastapi_taskflow.testing.conformance.harness import instance

    async def main():
        backend = SqliteBackend(sys.argv[1])
        await backend.open(lambda: None)
        await backend.enlist(instance(sys.argv[2]))
        child = os.fork()
        if child == 0:
            # It has let go of the lock by now, as `fork` returns.
            print("ready", os.getpid(), sep="\\n", flush=True)
            time.sleep(60)
            os._exit(0)
        await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(main())
"""

WRITE_WITHOUT_PAUSE = """
    import sys, time
    from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
    from fastapi_taskflow.backends.sqlite.locks import WriteLock

    lock = WriteLock(store_directory(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    turns, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end:
        with lock.held(5.0):
            # As a commit waits for the disk.
            time.sleep(0.0005)
        turns += 1
    print(turns, flush=True)
"""


def say(child: subprocess.Popen[str], text: str = "go\n") -> None:
    assert child.stdin is not None
    child.stdin.write(text)
    child.stdin.flush()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


class TestWriteLock:
    async def test_a_stopped_holder_is_an_outage_with_a_deadline(
        self, backend: SqliteBackend, spawn: Spawner
    ):
        await backend.enlist(instance("a"))
        holder = spawn(HOLD_WRITE_LOCK)
        holder.send_signal(signal.SIGSTOP)

        with pytest.raises(StoreUnavailable, match="write lock"):
            await backend.insert([[task()]])
        with pytest.raises(StoreUnavailable, match="write lock"):
            await beat(backend, "a")

        assert await backend.tally() == []

        holder.send_signal(signal.SIGCONT)
        say(holder)
        assert hear(holder) == "released\n"
        await accept(backend, task())
        assert await beat(backend, "a")

    async def test_a_killed_holder_frees_the_lock(self, backend: SqliteBackend, spawn: Spawner):
        holder = spawn(HOLD_WRITE_LOCK)
        waiting = asyncio.ensure_future(backend.insert([[task()]]))
        await asyncio.sleep(0)

        holder.kill()

        assert len(await waiting) == 1

    async def test_reads_do_not_wait_for_it(self, backend: SqliteBackend, spawn: Spawner):
        await accept(backend, task())
        spawn(HOLD_WRITE_LOCK)

        assert len(await backend.tally()) == 1

    def test_nobody_is_kept_out_by_two_that_write_without_a_pause(
        self, tmp_path: Path, spawn: Spawner
    ):
        writers = [spawn(WRITE_WITHOUT_PAUSE) for _ in range(3)]

        for writer in writers:
            say(writer)
        turns = [int(hear(writer)) for writer in writers]

        # About as many each. Without taking turns one of them gets next to nothing.
        assert min(turns) > max(turns) / 4

    def test_whoever_keeps_the_turn_keeps_nobody_from_writing(self, tmp_path: Path):
        stopped = LockFile(tmp_path / "turn.lock")
        assert stopped.try_lock()
        lock, other = WriteLock(tmp_path), WriteLock(tmp_path)

        # Many in a row, which asks for a turn again and again; and after one another.
        for _ in range(50):
            for one in (lock, other):
                with one.held(0.5):
                    pass
        for each in (lock, other, stopped):
            each.close()

    def test_a_turn_that_cannot_be_had_at_all_is_done_without(self, tmp_path: Path):
        (tmp_path / "turn.lock").mkdir()
        lock = WriteLock(tmp_path)

        for _ in range(20):
            with lock.held(0.5):
                pass
        lock.close()

    def test_a_lock_file_that_was_deleted_is_made_anew(self, tmp_path: Path):
        lock = WriteLock(tmp_path)
        with lock.held(1.0):
            (tmp_path / "write.lock").unlink()

        lock.close()
        other = WriteLock(tmp_path)
        with lock.held(1.0), pytest.raises(StoreUnavailable), other.held(0.0):
            pass
        lock.close()
        other.close()


class TestLifeLocks:
    async def test_a_killed_instance_is_gone_at_once(self, backend: SqliteBackend, spawn: Spawner):
        other = spawn(LIVE, "other")
        assert await gone(backend) == set()

        other.kill()
        other.wait()

        assert await gone(backend) == {"other"}

    async def test_a_stopped_instance_is_not_gone(self, backend: SqliteBackend, spawn: Spawner):
        other = spawn(LIVE, "other")

        other.send_signal(signal.SIGSTOP)

        assert await gone(backend) == set()

    async def test_a_child_does_not_keep_its_parent_alive(
        self, backend: SqliteBackend, spawn: Spawner
    ):
        parent = spawn(LIVE_WITH_A_FORKED_CHILD, "parent")
        child = int(hear(parent))

        parent.kill()
        # Not `wait` for its pipes: the child has them too.
        os.waitpid(parent.pid, 0)
        parent.returncode = -signal.SIGKILL

        try:
            os.kill(child, 0)
            assert await gone(backend) == {"parent"}
        finally:
            os.kill(child, signal.SIGKILL)

    async def test_two_backends_in_one_process_see_each_other(self, open_backend: Opener):
        one, two = await open_backend(), await open_backend()
        await one.enlist(instance("one"))
        await two.enlist(instance("two"))

        assert await gone(one) == set()
        await two.close()

        assert await gone(one) == {"two"}

    async def test_what_a_killed_instance_held_is_recovered(
        self, backend: SqliteBackend, spawn: Spawner, path: str
    ):
        other = spawn(LIVE, "other")
        await backend.enlist(instance("mine"))
        other.kill()
        other.wait()

        recovered = await recover_all(backend, by="mine", dead="other")

        assert len(recovered) == 1
        peers = (await backend.signals("mine")).peers
        assert [peer.info.instance_id for peer in peers] == ["mine"]
        assert [file.name for file in store_directory(path).glob("*other*")] == []

    async def test_a_missing_file_proves_no_death(self, backend: SqliteBackend, path: str):
        await backend.enlist(instance("mine"))
        for file in store_directory(path).glob("*.alive"):
            file.unlink()

        assert await gone(backend) == set()

    async def test_a_deleted_file_is_made_anew_with_the_next_heartbeat(
        self, backend: SqliteBackend, open_backend: Opener, path: str
    ):
        other = await open_backend()
        await other.enlist(instance("other"))
        (store_directory(path) / "taskflow_other.alive").unlink()

        await beat(other, "other")

        assert await gone(backend) == set()
        await other.close()
        assert await gone(backend) == {"other"}

    async def test_whoever_asks_is_not_taken_for_the_owner(
        self, backend: SqliteBackend, spawn: Spawner, path: str
    ):
        other = spawn(LIVE, "other")
        other.kill()
        other.wait()
        asking = (store_directory(path) / "taskflow_other.alive").open()
        fcntl.flock(asking, fcntl.LOCK_SH)

        assert await gone(backend) == {"other"}
        asking.close()

    async def test_a_retired_instance_leaves_no_file(self, backend: SqliteBackend, path: str):
        await backend.enlist(instance("mine"))

        await backend.retire("mine")

        assert list(store_directory(path).glob("*.alive")) == []

    async def test_an_instance_that_retires_with_tasks_is_gone(
        self, backend: SqliteBackend, open_backend: Opener
    ):
        await backend.enlist(instance("mine"))
        await accept(backend, task(owner="mine"))

        await backend.retire("mine")

        assert await gone(await open_backend()) == {"mine"}

    async def test_leftovers_of_the_unknown_are_swept_up_and_the_living_kept(
        self, backend: SqliteBackend, open_backend: Opener, path: str
    ):
        directory = store_directory(path)
        await backend.enlist(instance("known"))
        enlisting = LockFile(directory / "taskflow_enlisting.alive")
        assert enlisting.try_lock()
        (directory / "taskflow_leftover.alive").touch()
        (directory / "otherprefix_x.alive").touch()

        await open_backend()

        names = {file.name for file in directory.glob("*.alive")}
        assert names == {
            "taskflow_known.alive",
            "taskflow_enlisting.alive",
            "otherprefix_x.alive",
        }
        enlisting.close()

    def test_any_id_has_a_file_of_its_own(self, tmp_path: Path):
        names = ["a/b", "../x", "a%2Fb", "ü" * 300, "ü" * 301, "."]
        one, two = LifeLocks(tmp_path, "p_"), LifeLocks(tmp_path, "p_")

        for name in names:
            one.take(name)

        assert len(list(tmp_path.iterdir())) == len(names)
        assert two.free(names) == frozenset()
        one.close()
        assert two.free(names) == set(names)

    async def test_an_enlisting_that_fails_leaves_no_lock(
        self, backend: SqliteBackend, open_backend: Opener, spawn: Spawner
    ):
        holder = spawn(HOLD_WRITE_LOCK)
        with pytest.raises(StoreUnavailable):
            await backend.enlist(instance("mine"))
        say(holder)
        hear(holder)

        other = await open_backend()
        await other.enlist(instance("mine"))

        assert [peer.info.instance_id for peer in (await other.signals("mine")).peers] == ["mine"]


async def test_three_processes_write_one_file_and_lose_nothing(backend: SqliteBackend, path: str):
    program = """
import asyncio, sys
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance.harness import accept, task

async def main():
    backend = SqliteBackend(sys.argv[1])
    await backend.open(lambda: None)
    for number in range(60):
        await accept(backend, task(f"{sys.argv[2]}-{number}"))
    await backend.close()

asyncio.run(main())
"""
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, path, str(number))
        for number in range(3)
    ]

    assert [await child.wait() for child in children] == [0, 0, 0]

    assert sum(cell.rows for cell in await backend.tally()) == 180
    await backend.enlist(instance("a"))
    assert len(await claim(backend, "a")) == 180


async def test_another_processes_write_is_told_within_moments(open_backend: Opener):
    changes: list[None] = []
    await open_backend(lambda: changes.append(None))
    other = await open_backend()
    before = len(changes)

    await accept(other, task())

    await wait_until(lambda: len(changes) > before)
