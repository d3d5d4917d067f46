"""A disk that gets full under an app with work in hand, in three ways (TRUST, R13).

``pages``: the database may not grow (SQLITE_FULL). ``tmpfs``: a small file system is filled
up to its last byte (SQLITE_FULL); this needs ``unshare -Urm``. ``rlimit``: no file may grow
(SQLITE_IOERR_WRITE).

Each way in a process of its own: tasks run when the disk gets full; new ones are answered
with 503; the running ones end; room is made; work goes on. Then the file is compared with
what was acknowledged. It shows what happens to one app on SQLite, not what a broken disk does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from fastapi import FastAPI

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from fastapi_taskflow.backends.sqlite.connections import Database

__all__ = ["WAYS", "can_mount", "run"]

WAYS = ("pages", "tmpfs", "rlimit")
RUNNING = 40
MOST_POSTS = 2_000
_MOUNT = 'mount -t tmpfs -o size=100m tmpfs "$1" && shift && exec "$@"'
_ROOT = Path(__file__).parent.parent


def can_mount() -> bool:
    """This user may have a file system of its own."""
    command = ["unshare", "-Urm", "true"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def run(way: str) -> dict[str, Any]:
    """Fill the disk in one way; the figures, in which ``faults`` should be empty."""
    with TemporaryDirectory(prefix="taskflow-full-") as place:
        command = [sys.executable, "-m", "trust.diskfull", "--inside", way, place]
        if way == "tmpfs":
            command = ["unshare", "-Urm", "sh", "-c", _MOUNT, "sh", place, *command]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=_ROOT, timeout=100
        )
        try:
            figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            return {"way": way, "faults": [done.stderr[-2000:] or "no answer"]}
        return figures


class Disk:
    """How it gets full, and gets room again."""

    def __init__(self, way: str, path: Path) -> None:
        self._way = way
        self._path = path
        self._filler = path.parent / "filler"
        self._pages: int | None = None

    def watch(self) -> None:
        """Before the store is opened: let each of its connections know its limit."""
        if self._way != "pages":
            return
        original = Database.writer

        def writer(database: Database, **options: Any) -> sqlite3.Connection:
            connection = original(database, **options)
            self._connections.append(connection)
            return connection

        self._connections: list[sqlite3.Connection] = []
        Database.writer = writer  # type: ignore[assignment, method-assign]

    def nearly(self) -> None:
        """So full that new tasks find no room, and the ends of old ones still do, if any do."""
        match self._way:
            case "pages":
                for connection in self._connections:
                    (pages,) = connection.execute("PRAGMA page_count").fetchone()
                    connection.execute(f"PRAGMA max_page_count = {pages + 30}")
            case "tmpfs":
                self._fill(32 * 2**20)
            case _:
                size = max(each.stat().st_size for each in self._path.parent.glob("tasks.db*"))
                limit = (size + 200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
                resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    def wholly(self) -> None:
        """Not a byte is left."""
        if self._way == "tmpfs":
            self._fill(0)

    def room(self) -> None:
        """Somebody has cleaned up."""
        match self._way:
            case "pages":
                for connection in self._connections:
                    connection.execute("PRAGMA max_page_count = 1000000")
            case "tmpfs":
                self._filler.unlink()
            case _:
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    def _fill(self, bytes_left: int) -> None:
        found = os.statvfs(self._path.parent)
        with self._filler.open("ab") as filler:
            filler.write(bytes(max(0, found.f_bavail * found.f_frsize - bytes_left)))


class Site:
    """An app with an endpoint, and what it has said of each task."""

    def __init__(self, path: Path) -> None:
        self.manager = TaskManager(snapshot_db=str(path), drain_timeout=2.0)
        self.release = asyncio.Event()
        self.running = 0
        # Tasks that were acknowledged with 200, by what they are.
        self.accepted: list[str] = []
        self.faults: list[str] = []
        app = FastAPI()
        self.manager.install(app)
        self.manager.task(persist=True)(self.hold)
        self.manager.task(persist=True)(self.note)

        @app.post("/{kind}")
        async def endpoint(kind: str, tasks: ManagedBackgroundTasks) -> dict[str, str]:
            if kind == "hold":
                return {"id": (await self.manager.enqueue(self.hold)).task_id}
            return {"id": tasks.add_task(self.note, "x" * 5_000)}

        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://site"
        )

    async def hold(self) -> None:
        self.running += 1
        await self.release.wait()

    async def note(self, text: str) -> None: ...

    async def post(self, kind: str) -> int:
        """Ask for a task; the status."""
        answer = await self._client.post(f"/{kind}")
        if answer.status_code == httpx2.codes.OK:
            self.accepted.append(answer.json()["id"])
        elif answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
            self.faults.append(f"{kind} was answered {answer.status_code}: {answer.text}")
        elif "Retry-After" not in answer.headers or "room" not in answer.text:
            self.faults.append(f"503 that tells little: {answer.text} {answer.headers}")
        return answer.status_code

    async def ended(self) -> int:
        """How many of the accepted tasks are stored as SUCCESS."""
        found = await self.manager.runtime.engine().backend.get(self.accepted)
        return sum(one is not None and one.record.status is TaskStatus.SUCCESS for one in found)


async def until(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    deadline = time.monotonic() + within
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


class Counter(logging.Handler):
    """Counts what is logged."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1


async def inside(way: str, place: Path) -> dict[str, Any]:
    logged = Counter()
    logging.getLogger().addHandler(logged)
    path = place / "tasks.db"
    site, disk = Site(path), Disk(way, path)
    disk.watch()
    async with site.manager:
        for _ in range(RUNNING):
            await site.post("hold")
        instance = site.manager.runtime.engine().instance_id
        disk.nearly()
        posts = 0
        refused_in = 0.0
        while posts < MOST_POSTS:
            posts += 1
            begun = time.monotonic()
            if await site.post("note") == httpx2.codes.SERVICE_UNAVAILABLE:
                refused_in = time.monotonic() - begun
                break
        else:
            site.faults.append("nothing was ever refused")
        disk.wholly()
        site.release.set()
        everything = len(site.accepted)

        async def all_ended() -> bool:
            return await site.ended() == everything

        while_full = await until(all_ended, 3.0)
        ended_while_full = await site.ended()
        disk.room()
        if not await until(all_ended, 10.0):
            site.faults.append(f"only {await site.ended()} of {everything} ends were stored")

        async def taken() -> bool:
            return await site.post("note") == httpx2.codes.OK

        if not await until(taken, 5.0):
            site.faults.append("nothing was accepted after room was made")
        if site.manager.runtime.engine().instance_id != instance:
            site.faults.append("the instance was taken for dead")
        await until(lambda: _all(site), 5.0)
    site.faults += audit(path, site.accepted)
    return {
        "way": way,
        "running": site.running,
        "accepted": len(site.accepted),
        "refused_in_seconds": round(refused_in, 3),
        "ended_while_full": ended_while_full,
        "all_ended_while_full": while_full,
        "log_lines": logged.lines,
        "faults": site.faults,
    }


async def _all(site: Site) -> bool:
    return await site.ended() == len(site.accepted)


def audit(path: Path, accepted: list[str]) -> list[str]:
    """What is wrong with the file, compared with what was acknowledged."""
    with closing(sqlite3.connect(path)) as connection:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        states = dict(connection.execute("SELECT id, state FROM taskflow_tasks"))
    lost = [one for one in accepted if one not in states]
    unended = [one for one in accepted if states.get(one) not in (None, 2)]
    if lost:
        faults.append(f"{len(lost)} acknowledged tasks are lost")
    if unended:
        faults.append(f"{len(unended)} acknowledged tasks did not end")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=[], help=f"of {', '.join(WAYS)}; all if none")
    parser.add_argument("--inside", nargs=2, metavar=("WAY", "PLACE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        logging.basicConfig(level=logging.WARNING)
        way, place = options.inside
        print(json.dumps(asyncio.run(inside(way, Path(place)))))
        return
    failed = False
    for way in options.ways or WAYS:
        if way == "tmpfs" and not can_mount():
            print("tmpfs: left out, `unshare -Urm` is not permitted here")
            continue
        figures = run(way)
        failed |= bool(figures["faults"])
        print(json.dumps(figures))
    sys.exit(failed)


if __name__ == "__main__":
    main()
