"""Stores that break, at the start or under a running app: said clearly, and survived."""

import asyncio
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI

from fastapi_taskflow import StoreUnavailable, TaskAdmin, TaskManager
from tests.support.tools import need
from tests.support.waiting import wait_until

PAGE = 4096


class Site:
    """An app with a durable and a light task on one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ran: list[str] = []
        self.manager = TaskManager(
            snapshot_db=str(path), heartbeat_interval=0.05, instance_ttl=0.5, drain_timeout=1.0
        )
        self.app = FastAPI()
        TaskAdmin(self.app, self.manager, auto_install=True)
        self.manager.task(persist=True)(self.kept)
        self.manager.task()(self.light)

        @self.app.post("/{kind}")
        async def endpoint(kind: str, background_tasks: BackgroundTasks) -> None:
            background_tasks.add_task(self.kept if kind == "kept" else self.light, "x" * 2_000)

        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app, client=("127.0.0.1", 1)),
            base_url="http://localhost",
        )

    async def kept(self, text: str) -> None:
        self.ran.append("kept")

    async def light(self, text: str) -> None:
        self.ran.append("light")

    async def post(self, kind: str) -> int:
        return (await self._client.post(f"/{kind}")).status_code

    async def get(self, path: str) -> httpx2.Response:
        return await self._client.get(path)

    async def fill(self) -> None:
        """So many tasks that the file has pages of all kinds."""
        for _ in range(60):
            assert await self.post("kept") == 200
        await wait_until(lambda: self.ran.count("kept") == 60)


async def stopped_store(path: Path) -> None:
    site = Site(path)
    async with site.manager:
        await site.fill()


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def a_bit(path: Path) -> None:
    os.truncate(path, PAGE + 100)


def pages(path: Path) -> None:
    """Every third page, but not the first."""
    with path.open("r+b") as file:
        for number in range(3, path.stat().st_size // PAGE, 3):
            file.seek(number * PAGE)
            file.write(b"\xff" * PAGE)


def deleted(path: Path) -> None:
    path.unlink()


def restore(backup: Path, path: Path) -> None:
    """As the documentation says: the log of the old file goes."""
    backup.replace(path)
    for left in ("-wal", "-shm"):
        Path(f"{path}{left}").unlink(missing_ok=True)


def replaced(path: Path) -> None:
    new = path.with_name("new.db")
    with closing(sqlite3.connect(new)) as other:
        other.execute("CREATE TABLE something (else_)")
    new.replace(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (garbage, "not an SQLite database. Move it away"),
        (half, "damaged.*restore a backup"),
        (a_bit, "damaged.*restore a backup"),
        (pages, "damaged.*restore a backup"),
    ],
)
async def test_a_broken_file_at_the_start_is_named_with_its_mend(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "tasks.db"
    await stopped_store(path)
    damage(path)
    site = Site(path)

    with pytest.raises(StoreUnavailable, match=f"{path}.*{said}"):
        await site.manager.startup()

    # The way is free for a start with a good file.
    path.unlink()
    async with site.manager:
        assert await site.post("kept") == 200


@pytest.mark.parametrize("damage", [garbage, half, pages, deleted, replaced])
async def test_an_app_outlives_its_store(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "tasks.db"
    site = Site(path)
    await site.manager.startup()
    await site.fill()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    caplog.clear()

    damage(path)
    answers: list[int] = []

    async def refused() -> bool:
        answers.append(await site.post("kept"))
        return answers[-1] == 503

    # Pages that were read before may serve a while.
    await wait_until(refused)
    light = site.ran.count("light")
    answers += [await site.post("kept") for _ in range(2)]
    assert set(answers) <= {200, 503}
    assert await site.post("light") == 200
    await wait_until(lambda: site.ran.count("light") == light + 1)
    for route in ("/tasks", "/tasks/metrics", "/tasks/audit", "/tasks/nothing", "/tasks/health"):
        assert (await site.get(route)).status_code in (200, 404, 503)
    health = (await site.get("/tasks/health")).json()
    if damage not in (half, pages):  # which pages a look needs is chance
        assert health["store"] == "unavailable"
    await site.manager.shutdown()
    told = [record.getMessage() for record in caplog.records if record.name.startswith("fastapi")]
    assert len(told) < 40, told


async def test_a_file_that_comes_back_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    site = Site(path)
    async with site.manager:
        await site.fill()
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.rename(tmp_path / "away.db")

        async def answered(code: int) -> bool:
            return await site.post("kept") == code

        await wait_until(lambda: answered(503))
        shutil.move(tmp_path / "away.db", path)
        await wait_until(lambda: answered(200))
        ran = len(site.ran)
        await wait_until(lambda: len(site.ran) >= ran)
        assert (await site.get("/tasks/health")).json()["store"] != "unavailable"


async def test_a_backup_that_is_restored_under_a_running_app_is_used(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    site = Site(path)
    await stopped_store(path)
    shutil.copy(path, tmp_path / "backup.db")
    async with site.manager:
        await site.fill()
        restore(tmp_path / "backup.db", path)

        async def taken() -> bool:
            return await site.post("kept") == 200

        await wait_until(taken)
        # The instance is not in the backup: it enlists again, and goes on.
        ran = len(site.ran)

        async def runs() -> bool:
            return await taken() and len(site.ran) > ran

        await wait_until(runs)


READ_ONLY = """
import asyncio, subprocess, sys
from pathlib import Path
from tests.sqlite.test_broken_stores import Site, stopped_store
from fastapi_taskflow import StoreUnavailable

place = Path(sys.argv[1])

def mount(mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", str(place)], check=True)

async def main():
    path = place / "tasks.db"
    await stopped_store(path)
    mount("ro")
    try:
        await Site(path).manager.startup()
    except StoreUnavailable as exc:
        print(exc)
    mount("rw")
    site = Site(path)
    async with site.manager:
        await site.fill()
    print("end")

asyncio.run(main())
"""


def test_a_read_only_file_system_at_the_start_is_named_with_its_mend(tmp_path: Path) -> None:
    need("unshare", "-Urm", "true")
    mount = 'mount -t tmpfs -o size=200m tmpfs "$1" && exec "$2" -c "$3" "$1"'

    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, READ_ONLY],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    said, end = done.stdout.splitlines()
    assert str(tmp_path / "tasks.db") in said, done.stderr
    assert "Let this user write the file and its directory" in said
    assert end == "end"


async def test_a_foreign_writer_is_waited_for_a_while_and_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    site = Site(path)
    async with site.manager:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            asked = asyncio.create_task(site.post("kept"))
            light = await site.post("light")
            assert await asked == 503
            took = time.monotonic() - begun
            other.execute("ROLLBACK")
        assert light == 200
        # Two seconds of tries (SEMANTICS). How much longer is the machine's matter.
        assert took >= 2.0
        assert await site.post("kept") == 200
        await wait_until(lambda: sorted(site.ran) == ["kept", "light"])
