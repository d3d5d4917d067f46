"""A hint may get lost; what is due is found all the same."""

import asyncio
from pathlib import Path

import pytest

from fastapi_taskflow import QueueConfig, SqliteBackend, TaskManager
from tests.support.waiting import wait_until


@pytest.mark.parametrize("busy", ["paused", "full"])
async def test_a_queue_without_slots_keeps_no_other_queue_waiting(
    tmp_path: Path, busy: str
) -> None:
    ran: list[str] = []
    release = asyncio.Event()

    def manager(**settings: object) -> TaskManager:
        made = TaskManager(
            snapshot_backend=SqliteBackend(str(tmp_path / "tasks.db")),
            queues={"paused": QueueConfig(paused=True), "full": QueueConfig(concurrency=1)},
            **settings,  # type: ignore[arg-type]
        )

        async def note(name: str) -> None:
            ran.append(name)

        async def hold() -> None:
            ran.append("hold")
            await release.wait()

        made.task(persist=True)(note)
        made.task(persist=True)(hold)
        return made

    async with manager() as worker, manager(roles={"enqueue"}) as client:
        (note, hold) = (client.registry.by_name(name) for name in ("note", "hold"))
        assert note is not None
        assert hold is not None
        await client.enqueue(hold.func, queue=busy)
        await client.enqueue(hold.func, queue=busy)
        if busy == "full":
            await wait_until(lambda: ran == ["hold"])
        await client.enqueue(note.func, "found")
        await wait_until(lambda: "found" in ran)
        release.set()
        await worker.resume("paused")
