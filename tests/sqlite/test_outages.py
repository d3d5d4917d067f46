"""Outages: the file goes away, breaks, or finds no room; and comes back."""
# ruff: noqa: ASYNC240  (a test may block its own loop)

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.exceptions import StoreFull, StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import accept, beat, find, instance, put, task
from tests.sqlite.conftest import Opener
from tests.support.tools import need
from tests.support.waiting import wait_until

FULL_DISK = """
import asyncio, resource, signal, sys
from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.exceptions import StoreFull
from fastapi_taskflow.words.states import Move
from fastapi_taskflow.testing.conformance.harness import accept, instance, put, task

async def main():
    backend = SqliteBackend(sys.argv[1])
    await backend.open(lambda: None)
    await backend.enlist(instance("a"))
    kept = task(owner="a")
    await accept(backend, kept)
    # The largest size a file may have, as a full disk: writes fail with an I/O error.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    refused, stored = 0, 0
    for _ in range(40):
        try:
            await put(backend, task(payload=b"x" * 20_000))
            stored += 1
        except StoreFull:
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await backend.start([Lease(kept.task_id, 1)])
    (settled,) = await backend.finish([Outcome(Lease(kept.task_id, 1), Move.SUCCEED)])
    await put(backend, task())
    rows = sum(cell.rows for cell in await backend.tally())
    print(refused > 0, stored > 0, rows == stored + 2, settled.status.value)
    await backend.close()

asyncio.run(main())
"""


MOUNT = 'mount -t tmpfs -o size=100m tmpfs "$1" && exec "$2" -c "$3" "$1/tasks.db"'

FILLED_UP = """
import asyncio, os, sys
from pathlib import Path
from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.exceptions import StoreFull
from fastapi_taskflow.words.states import Move
from fastapi_taskflow.testing.conformance.harness import accept, beat, instance, put, task
from tests.support.waiting import wait_until

def fill(bytes_left):
    found = os.statvfs(path.parent)
    with (path.parent / "filler").open("ab") as filler:
        filler.write(bytes(max(0, found.f_bavail * found.f_frsize - bytes_left)))

async def refused():
    try:
        await put(backend, task())
    except StoreFull:
        return True
    return False

async def main():
    await backend.open(lambda: None)
    await backend.enlist(instance("a"))
    tasks = [task(owner="a", payload=bytes(2000)) for _ in range(200)]
    await accept(backend, *tasks)
    leases = [Lease(one.task_id, 1) for one in tasks]
    await backend.start(leases)
    fill(32 * 2**20)
    # Few tries, or the log gets so long that it has room of its own.
    await wait_until(refused)
    fill(0)
    settled = await backend.finish([Outcome(lease, Move.SUCCEED) for lease in leases])
    print(await beat(backend, "a"))
    print(sum(one.status.value == "success" for one in settled))
    print(await beat(backend, "a"), await refused())
    (path.parent / "filler").unlink()
    while await refused():
        await asyncio.sleep(0.01)
    print("accepted")
    await backend.close()

path = Path(sys.argv[1])
backend = SqliteBackend(str(path))
asyncio.run(main())
"""


def test_a_disk_that_is_filled_up_still_takes_outcomes_and_heartbeats(tmp_path: Path):
    need("unshare", "-Urm", "true")

    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable, FILLED_UP],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.split() == ["True", "200", "True", "True", "accepted"], done.stderr


async def test_a_deleted_file_is_an_outage_and_no_new_store(backend: SqliteBackend, path: str):
    await accept(backend, task())
    Path(path).unlink()

    async def refused() -> bool:
        try:
            await put(backend, task())
        except StoreUnavailable:
            return True
        return False

    await wait_until(refused)
    assert not Path(path).exists()


async def test_a_store_that_comes_back_is_used_again(backend: SqliteBackend, path: str):
    first = task()
    await accept(backend, first)
    away = Path(path + ".away")
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    Path(path).rename(away)

    async def refused() -> bool:
        try:
            await put(backend, task())
        except StoreUnavailable:
            return True
        return False

    await wait_until(refused)
    away.rename(path)

    second = task()
    await accept(backend, second)
    await wait_until(lambda: backend.get([second.task_id]))


async def test_a_damaged_file_is_an_outage_that_names_the_remedy(backend: SqliteBackend, path: str):
    await accept(backend, *(task(payload=b"x" * 1000) for _ in range(200)))
    await backend.close()
    damaged = Path(path).read_bytes()
    Path(path).write_bytes(damaged[:8192] + b"\xff" * (len(damaged) - 8192))

    async def look() -> None:
        await backend.open(lambda: None)
        await backend.search(Query(), limit=1000)

    with pytest.raises(StoreUnavailable, match="damaged"):
        await look()
    await backend.close()


def test_a_full_disk_refuses_new_tasks_and_loses_nothing(path: str):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["True", "True", "True", "success"], done.stderr
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    other.close()


async def test_new_tasks_are_refused_while_the_disk_is_nearly_full(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
):
    held = task()
    await accept(backend, held)
    monkeypatch.setattr("fastapi_taskflow.backends.sqlite.disk._LEAST_FREE_BYTES", 2**63)

    async def refused() -> bool:
        try:
            await put(backend, task())
        except StoreFull:
            return True
        return False

    await wait_until(refused)
    assert (await backend.cancel([held.task_id]))[0].status is not None


async def test_a_reserve_of_disk_space_is_kept_while_a_store_is_open(
    open_backend: Opener, path: str
):
    backend = await open_backend()
    reserve = Path(path + "-taskflow") / "reserve"

    assert reserve.stat().st_size >= 2**20
    await backend.close()
    assert not reserve.exists()


async def test_beats_of_a_closed_store_are_an_outage(backend: SqliteBackend):
    await backend.enlist(instance("a"))
    await backend.close()

    with pytest.raises(StoreUnavailable):
        await beat(backend, "a")


async def test_a_verb_before_open_is_an_outage_that_says_so(path: str):
    with pytest.raises(StoreUnavailable, match="not open"):
        await find(SqliteBackend(path), "x")
