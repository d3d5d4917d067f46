"""Two uvicorn processes on one PostgreSQL or MariaDB: a peer takes over from the dead."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.databases import TestDatabase, database
from tests.support.servers import serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.anyio]

APP = """
import asyncio

from fastapi import BackgroundTasks, FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager

task_manager = TaskManager(snapshot_backend={url!r}, heartbeat_interval=0.3, instance_ttl=2.0)
app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)


@task_manager.task(persist=True)
async def send_email(address: str) -> str:
    return f"mail to {{address}}"


@task_manager.task(requeue_on_interrupt=True)
async def stay(number: int) -> None:
    if number == 0:
        await asyncio.sleep(3600)


@app.post("/signup")
async def signup(address: str, background_tasks: BackgroundTasks) -> str:
    return background_tasks.add_task(send_email, address)


@app.post("/stay")
async def staying(background_tasks: BackgroundTasks) -> list[str]:
    return [
        background_tasks.add_task(stay, 0),
        background_tasks.add_task(stay, 1),
        background_tasks.add_task(send_email, "late@example.com", delay=1.0),
    ]
"""


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with database(request.param) as made:
        yield made


async def test_a_peer_takes_over_what_a_killed_process_held(
    store: TestDatabase, tmp_path: Path
) -> None:
    source = APP.format(url=store.url)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with serving(source, first) as one, serving(source, second) as other:
        async with httpx2.AsyncClient(timeout=60.0) as web:

            async def task(task_id: str) -> dict[str, Any]:
                found = (await web.get(f"{other.url}/tasks/{task_id}")).json()
                assert isinstance(found, dict)
                return found

            async def ended(task_id: str) -> bool:
                return bool((await task(task_id))["status"] == "success")

            mailed = (
                await web.post(f"{one.url}/signup", params={"address": "ada@example.com"})
            ).json()
            await wait_until(lambda: ended(mailed))
            held, behind, late = (await web.post(f"{one.url}/stay")).json()
            await wait_until(lambda: _is(task, held, "running"))
            owner = (await task(held))["instance"]

            one.send(signal.SIGKILL)

            await wait_until(lambda: _runs_elsewhere(task, held, owner))
            await wait_until(lambda: ended(behind))
            await wait_until(lambda: ended(late))
            again = (
                await web.post(f"{other.url}/signup", params={"address": "bob@example.com"})
            ).json()
            await wait_until(lambda: ended(again))


async def _is(task: Any, task_id: str, status: str) -> bool:
    return bool((await task(task_id))["status"] == status)


async def _runs_elsewhere(task: Any, task_id: str, owner: str) -> bool:
    found = await task(task_id)
    return bool(found["status"] == "running" and found["instance"] != owner)
