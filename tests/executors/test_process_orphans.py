"""Children end with their server, whatever ends it, and whatever they are at."""

import signal
from pathlib import Path

import httpx2
import pytest

from tests.support.gone import is_gone
from tests.support.servers import Server, serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SOURCE = """
from fastapi import FastAPI
from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin, TaskManager
from tests.support import childwork

task_manager = TaskManager(
    snapshot_db="tasks.db", max_process_workers=3, drain_timeout=0.1, request_lane="detached"
)
app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)
work = {}
for func in (childwork.meets, childwork.matches_to_no_end, childwork.counts_to_no_end):
    task_manager.task(executor="process")(func)
    work[func.__name__] = func


@app.post("/{name}")
async def add(name: str, tasks: ManagedBackgroundTasks) -> str:
    return tasks.add_task(work[name], ".", name)
"""
WORK = ("meets", "matches_to_no_end", "counts_to_no_end")


async def busy(server: Server, place: Path) -> list[int]:
    """Its children, each at something else."""
    pids = []
    for name in WORK:
        httpx2.post(f"{server.url}/{name}", timeout=60).raise_for_status()
        await wait_until((place / f"{name} is").exists)
        pids.append(int((place / f"{name} is").read_text()))
    return pids


# As on macOS, where the kernel does not end children.
WITH_REAPER = """
from fastapi_taskflow.executors.process import reaper
reaper.NEEDED = True
"""


@pytest.mark.parametrize(
    ("number", "before"),
    [
        pytest.param(signal.SIGKILL, "", id="kill"),
        pytest.param(signal.SIGTERM, "", id="term"),
        pytest.param(signal.SIGINT, "", id="int"),
        pytest.param(signal.SIGKILL, WITH_REAPER, id="kill-with-reaper"),
    ],
)
async def test_children_end_with_their_server(
    tmp_path: Path, number: signal.Signals, before: str
) -> None:
    with serving(before + SOURCE, tmp_path) as server:
        pids = await busy(server, tmp_path)
        assert not any(map(is_gone, pids))
        server.send(number)
        server.ended()

        await wait_until(lambda: all(map(is_gone, pids)))
        assert len(set(pids)) == len(WORK)
