"""Children in the servers that people use: they work, and end with the worker that has them."""

from collections.abc import Callable
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
from tests.support.childwork import matches_to_no_end

task_manager = TaskManager(
    snapshot_db="tasks.db", max_process_workers=2, drain_timeout=0.1, request_lane="detached"
)
app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)
task_manager.task(executor="process")(matches_to_no_end)


@app.post("/{name}")
async def add(name: str, tasks: ManagedBackgroundTasks) -> str:
    return tasks.add_task(matches_to_no_end, ".", name)
"""
UVICORN = ("uvicorn", "served:app", "--port", "0")
# The app is imported before the fork, and its worker is renewed after some requests.
GUNICORN = (
    *("gunicorn", "served:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:0"),
    *("--preload", "--workers", "1", "--max-requests", "3"),
)


def asks(server: Server, _folder: Path) -> None:
    request(server, "GET", "/openapi.json")


def changes_its_source(_server: Server, folder: Path) -> None:
    with (folder / "served.py").open("a") as source:
        source.write("#")


def request(server: Server, method: str, path: str) -> bool:
    try:
        return httpx2.request(method, server.url + path, timeout=60).is_success
    except httpx2.TransportError:  # the old worker is gone, and the new one not there yet
        return False


async def busy(server: Server, folder: Path, name: str) -> int:
    """A child that is in a call without end; the server may be between two workers."""
    await wait_until(lambda: request(server, "POST", f"/{name}"))
    await wait_until((folder / f"{name} is").exists)
    return int((folder / f"{name} is").read_text())


@pytest.mark.parametrize(
    ("program", "renew", "end"),
    [
        pytest.param((*UVICORN, "--reload"), changes_its_source, Server.interrupt, id="reload"),
        pytest.param(GUNICORN, asks, Server.terminate, id="gunicorn"),
    ],
)
async def test_a_child_ends_with_its_worker_and_the_next_one_has_others(
    tmp_path: Path,
    program: tuple[str, ...],
    renew: Callable[[Server, Path], None],
    end: Callable[[Server], None],
) -> None:
    with serving(SOURCE, tmp_path, program=program) as server:
        first = await busy(server, tmp_path, "first")

        def ends() -> bool:
            renew(server, tmp_path)
            return is_gone(first)

        await wait_until(ends, every=0.1)
        second = await busy(server, tmp_path, "second")
        assert second != first
        end(server)
        server.ended()

        await wait_until(lambda: is_gone(second))


async def test_children_of_several_workers_end_with_their_server(tmp_path: Path) -> None:
    with serving(SOURCE, tmp_path, "--workers", "2") as server:
        pids = [await busy(server, tmp_path, name) for name in ("first", "second")]
        server.interrupt()
        server.ended()

        await wait_until(lambda: all(map(is_gone, pids)))
