"""A task that forks: its child may do what it likes, but never comes back as a second server."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, multiprocessing, os, socket, sys
from fastapi_taskflow import EngineNotRunning, TaskManager
from fastapi_taskflow.backends.sqlite import SqliteBackend

tasks = TaskManager(snapshot_db=sys.argv[1], drain_timeout=1.0)
listening = socket.create_server(("127.0.0.1", 0))
children = []

def fork():
    child = os.fork()
    if child:
        children.append(child)
    return child

@tasks.task(persist=True)
def plain(how):
    if fork():
        return
    if how == "raises":
        raise ValueError("in the child")
    if how == "exits":
        sys.exit(7)
    if how == "asks":
        try:
            tasks.runtime.engine()
        except EngineNotRunning:
            sys.exit(8)

@tasks.task(persist=True)
async def on_the_loop(how):
    if fork():
        return
    if how == "raises":
        raise ValueError("in the child")
    while how == "waits":
        await asyncio.sleep(0)

@tasks.task(persist=True)
def by_multiprocessing(how):
    child = multiprocessing.get_context("fork").Process(target=len, args=("",))
    child.start()
    children.append(child.pid)

@tasks.task(persist=True)
async def other():
    pass

async def ended(task_id):
    while not ((record := await tasks.get(task_id)) and record.end_time):
        await asyncio.sleep(0.01)
    return record.status.value

async def main():
    async with tasks:
        function = globals()[sys.argv[2]]
        ids = [(await tasks.enqueue(other)).task_id for _ in range(5)]
        ids.append((await tasks.enqueue(function, sys.argv[3])).task_id)
        ids += [(await tasks.enqueue(other)).task_id for _ in range(5)]
        states = set(await asyncio.gather(*map(ended, ids)))
        _, status = await asyncio.to_thread(os.waitpid, children[0], 0)
    # Who the child was has let go of the store's locks and the port.
    again = SqliteBackend(sys.argv[1])
    await again.open(lambda: None)
    await again.close()
    address = listening.getsockname()
    listening.close()
    socket.create_server(address).close()
    print(os.getpid(), states, os.waitstatus_to_exitcode(status), len(children))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("function", "how", "code"),
    [
        ("plain", "returns", 0),
        ("plain", "raises", 1),
        ("plain", "exits", 7),
        ("plain", "asks", 8),
        ("on_the_loop", "returns", 0),
        ("on_the_loop", "raises", 1),
        ("on_the_loop", "waits", 0),
        ("by_multiprocessing", "returns", 0),
    ],
)
def test_a_forked_child_ends_where_it_leaves_the_task(
    tmp_path: Path, function: str, how: str, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "t.db"), function, how],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    # One line of one process: nobody came back twice.
    (line,) = done.stdout.splitlines()
    assert line.split(" ", 1)[1] == f"{{'success'}} {code} 1", done.stderr
