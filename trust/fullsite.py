"""An app whose store gets full while it has work in hand, and gets room again.

Tasks run when there is no room any more; new ones are answered with 503; the running ones end; room
is made; work goes on. Then the store is compared with what was acknowledged.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import httpx2
from fastapi import FastAPI

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from trust.stores import backend_of, looking

__all__ = ["MOST_POSTS", "RUNNING", "Disk", "through"]

RUNNING = 40
"""How many tasks run when it gets full."""

MOST_POSTS = 2_000
# Of the argument of a new one; it does not get smaller by packing.
_TEXT_BYTES = 5_000
# What no machine needs, however busy it is.
_PATIENCE_SECONDS = 60.0
# How long it stays full when ends wait for room.
_FULL_SECONDS = 3.0


class Disk(Protocol):
    """Where a store is kept."""

    def nearly(self) -> None:
        """So full that new tasks find no room, and the ends of old ones still do, if any do."""

    def wholly(self) -> None:
        """Not a byte is left."""

    def room(self) -> None:
        """Somebody has cleaned up."""


class Site:
    """An app with an endpoint, and what it has said of each task."""

    def __init__(self, store: str) -> None:
        self.manager = TaskManager(snapshot_backend=backend_of(store), drain_timeout=2.0)
        self.release = asyncio.Event()
        self.running = 0
        # Tasks that were acknowledged with 200.
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
            text = base64.b64encode(os.urandom(_TEXT_BYTES * 3 // 4)).decode()
            return {"id": tasks.add_task(self.note, text)}

        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://site"
        )

    async def hold(self) -> None:
        self.running += 1
        await self.release.wait()

    async def note(self, text: str) -> None: ...

    async def post(self, kind: str) -> httpx2.Response:
        """Ask for a task."""
        answer = await self._client.post(f"/{kind}")
        if answer.status_code == httpx2.codes.OK:
            self.accepted.append(answer.json()["id"])
        elif answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
            self.faults.append(f"{kind} was answered {answer.status_code}: {answer.text}")
        elif "Retry-After" not in answer.headers:
            self.faults.append(f"503 without Retry-After: {answer.text}")
        return answer

    async def refused(self) -> float:
        """Ask for tasks until one is refused, and told why; the seconds that this one took."""
        for _ in range(MOST_POSTS):
            begun = time.monotonic()
            answer = await self.post("note")
            if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
                if "room" not in answer.text:
                    self.faults.append(f"503 that tells little: {answer.text}")
                return time.monotonic() - begun
        self.faults.append("nothing was ever refused")
        return 0.0

    async def ended(self) -> int:
        """How many of the accepted tasks are stored as SUCCESS."""
        found = await self.manager.runtime.engine().backend.get(self.accepted)
        return sum(one is not None and one.record.status is TaskStatus.SUCCESS for one in found)

    async def have_ended(self) -> bool:
        """All accepted tasks are."""
        return await self.ended() == len(self.accepted)

    async def accepts(self) -> bool:
        return (await self.post("note")).status_code == httpx2.codes.OK


async def until(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Wait for a condition; False if it does not come."""
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


async def through(way: str, store: str, disk: Disk) -> dict[str, Any]:
    """The figures of one time that it is full; ``faults`` should be empty."""
    logged = Counter()
    logging.getLogger().addHandler(logged)
    site = Site(store)
    async with site.manager:
        for _ in range(RUNNING):
            await site.post("hold")
        instance = site.manager.runtime.engine().instance_id
        disk.nearly()
        refused_in = await site.refused()
        disk.wholly()
        site.release.set()
        while_full = await until(site.have_ended, _FULL_SECONDS)
        ended_while_full = await site.ended()
        await asyncio.to_thread(disk.room)
        if not await until(site.have_ended, _PATIENCE_SECONDS):
            site.faults.append(f"only {await site.ended()} of {len(site.accepted)} ends are stored")
        if not await until(site.accepts, _PATIENCE_SECONDS):
            site.faults.append("nothing was accepted after room was made")
        if site.manager.runtime.engine().instance_id != instance:
            site.faults.append("the instance was taken for dead")
        await until(site.have_ended, _PATIENCE_SECONDS)
    site.faults += await _compared(store, site.accepted)
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


async def _compared(store: str, accepted: list[str]) -> list[str]:
    """What is wrong with the store, compared with what was acknowledged."""
    async with looking(store) as backend:
        found = await backend.get(accepted)
    lost = found.count(None)
    unended = sum(one is not None and one.record.status is not TaskStatus.SUCCESS for one in found)
    return [
        *([f"{lost} acknowledged tasks are lost"] if lost else []),
        *([f"{unended} acknowledged tasks did not end"] if unended else []),
    ]
