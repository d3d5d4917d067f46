"""The log, its index or the lock files go, under one store or several: what was accepted stays."""
# ruff: noqa: ASYNC240  (a test may block its own loop)

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance.harness import accept, find, instance, task
from fastapi_taskflow.words.states import Move
from tests.sqlite.conftest import Opener, Spawner
from tests.sqlite.test_broken_stores import Site
from tests.support.waiting import wait_until

WRITER = """
    import asyncio, sys
    from fastapi_taskflow import StoreUnavailable
    from fastapi_taskflow.backends.sqlite import SqliteBackend
    from fastapi_taskflow.testing.conformance.harness import accept, task

    async def main():
        backend = SqliteBackend(sys.argv[1])
        await backend.open(lambda: None)
        print("ready", flush=True)
        while True:
            number = await asyncio.to_thread(sys.stdin.readline)
            while True:
                try:
                    await accept(backend, task(f"other-{number.strip()}"))
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
            print(number.strip(), flush=True)

    asyncio.run(main())
"""


def deleted(path: Path) -> None:
    path.unlink(missing_ok=True)


def moved(path: Path) -> None:
    path.rename(f"{path}.moved")


def made_anew(path: Path) -> None:
    new = Path(f"{path}.new")
    new.touch()
    new.replace(path)


def put_back_in_time(path: Path) -> None:
    """Another file with older content has its name."""
    Path(f"{path}.old").replace(path)


def keep_old(path: str) -> None:
    for left in ("-wal", "-shm"):
        shutil.copy(path + left, f"{path}{left}.old")


async def stored(backend: SqliteBackend, task_id: str) -> str:
    """Store a task as an enqueue does: try until the store is back."""

    async def done() -> bool:
        try:
            await accept(backend, task(task_id))
        except StoreUnavailable:
            return False
        return True

    await wait_until(done)
    return task_id


def left_by_a_crash(path: str, place: Path) -> set[str]:
    """What a process would find that starts now, if all others were killed."""
    place.mkdir()
    for left in ("", "-wal"):
        shutil.copy(path + left, f"{place / 'tasks.db'}{left}")
    with closing(sqlite3.connect(place / "tasks.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in connection.execute("SELECT id FROM taskflow_tasks")}


@pytest.mark.parametrize("loss", [deleted, moved, made_anew, put_back_in_time])
@pytest.mark.parametrize("lefts", [("-wal",), ("-shm",), ("-wal", "-shm")])
async def test_what_was_accepted_outlives_a_lost_log(
    open_backend: Opener,
    spawn: Spawner,
    path: str,
    tmp_path: Path,
    loss: Callable[[Path], None],
    lefts: tuple[str, ...],
) -> None:
    one, two, other = await open_backend(), await open_backend(), spawn(WRITER)
    accepted: set[str] = set()

    async def a_round(number: int) -> None:
        accepted.add(await stored(one, f"one-{number}"))
        accepted.add(await stored(two, f"two-{number}"))
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(f"{number}\n")
        other.stdin.flush()
        answer = await asyncio.to_thread(other.stdout.readline)
        accepted.add(f"other-{answer.strip()}")

    await a_round(1)
    keep_old(path)
    await a_round(2)
    for left in lefts:
        loss(Path(path + left))
    for number in (3, 4, 5):
        await a_round(number)

    assert len(accepted) == 15
    assert left_by_a_crash(path, tmp_path / "crash") == accepted
    for backend in (one, two):
        # They have the same files open again, and see each other's.
        await wait_until(partial(sees, backend, accepted))


async def sees(backend: SqliteBackend, accepted: set[str]) -> bool:
    try:
        found = await backend.get(sorted(accepted))
    except StoreUnavailable:
        return False
    return all(found)


async def test_an_idle_store_saves_what_only_a_deleted_log_holds(
    open_backend: Opener, path: str
) -> None:
    backend = await open_backend()
    kept = await stored(backend, "kept")
    log = Path(path + "-wal")

    log.unlink()

    await wait_until(log.exists)
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as other:
        assert other.execute("SELECT id FROM taskflow_tasks").fetchall() == [(kept,)]


async def test_a_lost_folder_of_locks_is_made_anew(
    open_backend: Opener, path: str, tmp_path: Path
) -> None:
    one, two = await open_backend(), await open_backend()
    accepted = {await stored(one, "before")}

    shutil.rmtree(path + "-taskflow", ignore_errors=True)
    Path(path + "-wal").unlink()
    for number in range(5):
        accepted.add(await stored(one, f"one-{number}"))
        accepted.add(await stored(two, f"two-{number}"))

    assert left_by_a_crash(path, tmp_path / "crash") == accepted


async def test_a_database_that_is_away_for_a_while_may_come_back_without_its_log(
    backend: SqliteBackend, path: str
) -> None:
    accepted = {await stored(backend, "before")}
    away = Path(path).rename(path + ".away")

    async def refused() -> bool:
        try:
            await accept(backend, task())
        except StoreUnavailable:
            return True
        return False

    await wait_until(refused)
    Path(path + "-wal").unlink(missing_ok=True)
    away.rename(path)

    accepted.add(await stored(backend, "after"))
    assert await sees(backend, accepted)


async def test_a_log_that_is_cut_short_takes_nothing_of_what_is_accepted_later(
    backend: SqliteBackend, path: str, tmp_path: Path
) -> None:
    for number in range(20):
        await stored(backend, f"before-{number}")
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(2):
        await stored(backend, f"in the log-{number}")

    os.truncate(path + "-wal", 0)
    later = {await stored(backend, f"later-{number}") for number in range(20)}

    assert later <= left_by_a_crash(path, tmp_path / "crash")


def copy_of(path: str, name: str) -> Path:
    """A backup of a store that may be open."""
    backup = Path(path).with_name(name)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    return backup


@pytest.mark.parametrize("running", [True, False])
async def test_a_file_is_not_opened_beside_the_log_of_the_one_that_it_replaced(
    spawn: Spawner, path: str, running: bool
) -> None:
    other = spawn(WRITER)
    backend = SqliteBackend(path)
    await backend.open(lambda: None)
    await stored(backend, "in the backup")
    backup = copy_of(path, "backup.db")
    await stored(backend, "in the log")
    if not running:
        # As a crash leaves it: the log of the one that was killed stays.
        os.kill(other.pid, signal.SIGSTOP)
        await backend.close()
        backend = SqliteBackend(path)
    other.kill()
    other.wait()
    backup.replace(path)

    async def refused() -> str:
        try:
            if running:
                await accept(backend, task())
            else:
                await backend.open(lambda: None)
        except StoreUnavailable as exc:
            return str(exc)
        return ""

    async def told() -> bool:
        return "the log of the old one" in await refused()

    await wait_until(told)
    for left in ("-wal", "-shm"):
        Path(path + left).unlink()
    if not running:
        await backend.close()
        await backend.open(lambda: None)
    await stored(backend, "later")

    found = await backend.get(["in the backup", "in the log", "later"])
    assert [one is not None for one in found] == [True, False, True]
    await backend.close()


async def test_a_backup_that_is_restored_in_place_is_used_with_nothing_in_memory_of_before(
    backend: SqliteBackend, path: str
) -> None:
    await backend.enlist(instance("a"))
    await accept(backend, task("first"))
    backup = copy_of(path, "backup.db")
    await accept(backend, task("gone", owner="a"))

    # What `.restore` does.
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    # It has the number that the one before had.
    await stored(backend, "new")
    await accept(backend, task("held", owner="a"))
    gone = Lease("gone", 1)

    assert await backend.start([gone]) == [None]
    assert await backend.finish([Outcome(gone, Move.SUCCEED)]) == [None]
    for name in ("first", "new", "held"):
        assert (await find(backend, name)).record.status == "pending"
    assert await backend.start([Lease("held", 1)]) != [None]


async def test_a_newer_schema_ends_the_writing_of_an_older_instance(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    site = Site(path)
    async with site.manager:
        await site.fill()

        def migrate(statement: str) -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as newer:
                newer.execute(statement)

        migrate("INSERT INTO taskflow_schema VALUES (999)")
        with pytest.raises(StoreUnavailable, match=r"schema version 999.*Restart this process"):
            await site.manager.enqueue(site.kept, "x")
        assert await site.post("kept") == 503
        assert await site.post("light") == 200

        async def says_so() -> bool:
            health = await site.get("/tasks/health")
            return health.status_code == 503 and "schema version 999" in health.text

        await wait_until(says_so)

        migrate("DELETE FROM taskflow_schema WHERE version = 999")

        async def goes_on() -> bool:
            return await site.post("kept") == 200

        await wait_until(goes_on)
