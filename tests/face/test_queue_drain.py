"""A queue that drains takes nothing new and works off what it has, on every instance."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ManagedBackgroundTasks,
    QueueConfig,
    QueueFullError,
    TaskAdmin,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.backends import SqliteBackend
from fastapi_taskflow.exceptions import QueueNotFound
from tests.support.gates import Gate
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
REFUSED = r"Queue 'work' takes no new tasks: it drains.*Resume it"


class Draining:
    """One instance on a store, with a queue whose tasks stand at a gate; the first try fails."""

    def __init__(self, make: Make, path: Path) -> None:
        self.tasks = make(
            SqliteBackend(str(path / "tasks.db")), queues={"work": QueueConfig(concurrency=1)}
        )
        self.gate = Gate()
        self.done: list[str] = []
        failed: list[str] = []

        async def work(name: str) -> None:
            await self.gate.stand()
            if not failed:
                failed.append(name)
                raise ConnectionError
            self.done.append(name)

        self.work = self.tasks.task(persist=True, queue="work", retries=1, delay=0.01)(work)

    async def shown(self) -> dict[str, Any]:
        (queue,) = [one for one in await self.tasks.operations.queues() if one["name"] == "work"]
        return queue

    async def drained(self) -> bool:
        return bool((await self.shown())["drained"])

    async def takes(self) -> bool:
        """It is tried with a task."""
        try:
            await self.tasks.enqueue(self.work, "late")
        except QueueFullError:
            return False
        return True


async def test_what_it_has_is_worked_off_and_nothing_new_is_taken(
    make_manager: Make, tmp_path: Path
) -> None:
    one = Draining(make_manager, tmp_path)
    async with one.tasks:
        for name in ("runs", "waits"):
            await one.tasks.enqueue(one.work, name)
        await one.gate.reached()

        await one.tasks.drain("work")

        with pytest.raises(QueueFullError, match=REFUSED) as refused:
            await one.tasks.enqueue(one.work, "late")
        shown = await one.shown()
        assert (shown["draining"], shown["drained"]) == (True, False)
        one.gate.open()
        await wait_until(lambda: len(one.done) == 2)

        record = await one.tasks.get(refused.value.task_id or "")
        assert record is not None
        assert record.status is TaskStatus.REJECTED
        await wait_until(one.drained)

        await one.tasks.resume("work")

        assert "draining" not in await one.shown()
        await one.tasks.enqueue(one.work, "next")
        await wait_until(lambda: len(one.done) == 3)
        assert sorted(one.done) == ["next", "runs", "waits"]
        audit, _ = await one.tasks.operations.audit(limit=10)
        assert [(each.action, each.task_id) for each in audit] == [
            ("resume", "work"),
            ("drain", "work"),
        ]


async def test_it_holds_on_other_instances_and_after_a_restart(
    make_manager: Make, tmp_path: Path
) -> None:
    one, other = (Draining(make_manager, tmp_path) for _ in range(2))
    async with one.tasks:
        await one.tasks.operations.drain("work", actor="ada")

    async with other.tasks:
        assert not await other.takes()
        third = Draining(make_manager, tmp_path)
        async with third.tasks:
            assert not await third.takes()
            await third.tasks.resume("work")
            assert await third.takes()
        other.gate.open()
        await wait_until(other.takes)


async def test_a_drain_and_a_pause_are_both_lifted_by_resume(
    make_manager: Make, tmp_path: Path
) -> None:
    one = Draining(make_manager, tmp_path)
    one.gate.open()
    async with one.tasks:
        await one.tasks.pause("work")
        await one.tasks.enqueue(one.work, "waits")
        await one.tasks.drain("work")
        shown = await one.shown()
        assert (shown["paused"], shown["drained"]) == (True, False)

        await one.tasks.resume("work")

        assert (await one.shown())["paused"] is False
        await wait_until(lambda: one.done == ["waits"])
        with pytest.raises(QueueNotFound, match=r"'wrok'.*Did you mean 'work'"):
            await one.tasks.drain("wrok")


def test_an_endpoint_is_answered_429_while_its_queue_drains(make_manager: Make) -> None:
    tasks = make_manager(queues={"work": QueueConfig()})
    app = FastAPI()
    TaskAdmin(app, tasks, auto_install=True, auth=None)
    ran: list[int] = []

    @tasks.task(queue="work")
    async def note(number: int) -> None:
        ran.append(number)

    @app.post("/{number}")
    async def add(number: int, background: ManagedBackgroundTasks) -> None:
        background.add_task(note, number)

    with TestClient(app) as client:
        drained = client.post("/tasks/queues/work/drain").json()
        refused = client.post("/1")
        opened = client.post("/tasks/queues/work/resume").json()
        taken = client.post("/2")
        missing = client.post("/tasks/queues/nowhere/drain")

    assert (drained["draining"], drained["drained"]) == (True, True)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert (opened["draining"], opened["drained"]) == (False, False)
    assert (taken.status_code, missing.status_code) == (200, 404)
    assert ran == [2]
