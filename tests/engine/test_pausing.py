"""The emergency brake: functions, keys and tags, on every instance, from every side."""

import asyncio
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from fastapi_taskflow import ConfigurationError, TaskAdmin, TaskManager
from fastapi_taskflow.cli.program import app as cli
from tests.support.waiting import wait_until


async def test_a_customer_is_held_on_every_instance_and_others_run(tmp_path: Path) -> None:
    ran: list[str] = []
    path = tmp_path / "tasks.db"
    managers = [TaskManager(snapshot_db=path) for _ in range(2)]

    async def work(customer: str) -> None:
        ran.append(customer)

    for tasks in managers:
        tasks.task(persist=True)(work)
    here, there = managers
    async with here, there:
        await there.pause(tag="customer:7")
        await wait_until(lambda: _paused(here))
        held = [(await here.enqueue(work, "7", tags={"customer": "7"})).task_id for _ in range(3)]
        for number in range(5):
            await here.enqueue(work, f"other {number}", tags={"customer": "8"})
        await wait_until(lambda: len(ran) == 5)
        await asyncio.sleep(0)
        states = [(await there.get(one)).status.value for one in held]  # type: ignore[union-attr]
        await here.resume(tag="customer:7")
        await wait_until(lambda: len(ran) == 8)
        pauses = await there.operations.pauses()

    assert "7" not in ran[:5]
    assert states == ["pending"] * 3
    assert ran[5:] == ["7"] * 3
    assert pauses == []


async def _paused(tasks: TaskManager) -> bool:
    # Born here, a task would start here: as soon as this instance knows.
    engine = tasks.runtime.engine()
    return bool(engine.queues.pauses.tags)


async def test_a_function_is_held_over_a_restart(tmp_path: Path) -> None:
    ran: list[str] = []

    async def send(text: str) -> None:
        ran.append(text)

    for turn in range(2):
        tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
        tasks.task(persist=True)(send)
        async with tasks:
            if turn == 0:
                await tasks.pause(func_name="send")
                await tasks.enqueue(send, "held")
            else:
                assert [one.value for one in await tasks.operations.pauses()] == ["send"]
                assert ran == []
                await tasks.resume(func_name="send")
                await wait_until(lambda: ran == ["held"])


async def test_one_thing_is_paused_at_a_time(tmp_path: Path) -> None:
    async with TaskManager(snapshot_db=tmp_path / "tasks.db") as tasks:
        for wrong in ({}, {"queue": "default", "key": "a"}, {"tag": "no value"}, {"key": ""}):
            with pytest.raises(ConfigurationError):
                await tasks.pause(**wrong)
        with pytest.raises(ConfigurationError, match="240"):
            await tasks.pause(key="x" * 241)


def test_they_are_set_over_http_and_from_a_shell(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app = FastAPI()
    TaskAdmin(app, tasks)
    store = ["--store", str(tmp_path / "tasks.db"), "--json"]
    with TestClient(app) as client:
        one = client.post("/tasks/pauses", json={"tag": "customer:7"}).json()
        client.post("/tasks/queues/default/pause")
        CliRunner().invoke(cli, ["pauses", "add", "--key", "customer:8", *store])
        listed = client.get("/tasks/pauses").json()
        shown = json.loads(CliRunner().invoke(cli, ["pauses", "list", *store]).stdout)
        left = client.post("/tasks/pauses/resume", json={"tag": "customer:7"}).json()
        audit = [entry["action"] for entry in client.get("/tasks/audit").json()]
        queues = [queue["name"] for queue in client.get("/tasks/queues").json()]
        refused = client.post("/tasks/pauses", json={}).status_code

    assert one == [{"kind": "tag", "value": "customer:7"}]
    assert listed == shown
    assert [(each["kind"], each["value"]) for each in listed] == [
        ("key", "customer:8"),
        ("queue", "default"),
        ("tag", "customer:7"),
    ]
    assert [each["kind"] for each in left] == ["key", "queue"]
    assert audit == ["resume", "pause", "pause", "pause"]
    assert queues == ["default"]
    assert refused == 422
