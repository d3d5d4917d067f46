"""Children end with the lease of their task: another process runs it by then."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gone import is_gone
from tests.support.servers import Server, serving
from tests.support.waiting import wait_until
from trust.instances import freeze

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SOURCE = """
from fastapi import FastAPI
from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin, TaskManager
from tests.support import childwork

task_manager = TaskManager(
    snapshot_db="tasks.db", max_process_workers=2, heartbeat_interval=0.2, instance_ttl=1.0,
    drain_timeout=0.1, request_lane="detached",
)
app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)
task_manager.task(executor="process", requeue_on_interrupt=True)(childwork.arrives)
task_manager.task(executor="process", persist=True)(childwork.meets)


@app.post("/{name}")
async def add(name: str, tasks: ManagedBackgroundTasks) -> str:
    return tasks.add_task(getattr(childwork, name), ".", name)
"""


def record(server: Server, task_id: str) -> Any:
    return httpx2.get(f"{server.url}/tasks/{task_id}", timeout=60).raise_for_status().json()


def is_(status: str, server: Server, task_id: str) -> Callable[[], bool]:
    return lambda: record(server, task_id)["status"] == status


def pids(place: Path, name: str) -> list[int]:
    return [int(path.suffix[1:]) for path in place.glob(f"{name} is.*")]


async def test_who_was_frozen_too_long_kills_what_runs_elsewhere(tmp_path: Path) -> None:
    with serving(SOURCE, tmp_path) as frozen:
        again, plain = (
            httpx2.post(f"{frozen.url}/{name}", timeout=60).json() for name in ("arrives", "meets")
        )
        await wait_until(lambda: len(pids(tmp_path, "arrives")) == 1)
        await wait_until((tmp_path / "meets is").exists)
        (killed,), kept = pids(tmp_path, "arrives"), int((tmp_path / "meets is").read_text())
        with serving(SOURCE, tmp_path) as peer:
            freeze(frozen.process.pid, str(tmp_path / "tasks.db"))
            await wait_until(is_("interrupted", peer, plain))
            await wait_until(lambda: len(pids(tmp_path, "arrives")) == 2)
            assert not is_gone(killed)
            frozen.send(signal.SIGCONT)

            await wait_until(lambda: is_gone(killed))
            assert not is_gone(kept)
            (tmp_path / "open").touch()
            await wait_until(is_("success", peer, again))
            await wait_until(lambda: any(one["late"] for one in record(peer, plain)["attempts"]))
            assert record(peer, plain)["status"] == "interrupted"
