"""An app that is started as a script, which imports itself once more."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.waiting import wait_until

pytestmark = pytest.mark.crash

JOBS = """
from fastapi_taskflow import TaskManager

task_manager = TaskManager(snapshot_db="tasks.db")
"""
MAIN = """
import sys

import uvicorn
from fastapi import BackgroundTasks, FastAPI
from fastapi_taskflow import TaskAdmin

from jobs import task_manager

app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)


@task_manager.task(persist=True)
async def greet(name: str) -> None:
    print("hello", name, flush=True)


@app.post("/")
async def endpoint(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(greet, "ada")


if __name__ == "__main__":
    extra = {"plain": {}, "workers": {"workers": 2}, "reload": {"reload": True}}[sys.argv[1]]
    uvicorn.run("main:app", port=0, **extra)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Runs ``python main.py``; gives its log."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "main.py").write_text(MAIN)
    started: list[subprocess.Popen[bytes]] = []

    def run(mode: str) -> Path:
        with (tmp_path / "log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "main.py", mode],
                cwd=tmp_path,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(server)
        return tmp_path / "log"

    yield run
    for server in started:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            raise


@pytest.mark.parametrize("mode", ["plain", "workers", "reload"])
async def test_a_script_that_serves_itself_starts(start: Callable[[str], Path], mode: str) -> None:
    log = start(mode)
    found = await wait_until(lambda: re.search(r"running on (http://[\d.:]+)", log.read_text()))
    await wait_until(lambda: "startup complete" in log.read_text())

    async with httpx2.AsyncClient() as client:
        assert (await client.post(found[1], timeout=30)).is_success

    await wait_until(lambda: "hello ada" in log.read_text())
