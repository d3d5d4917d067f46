"""The command as an operator runs it: a process of its own, in a folder with an app."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import QueueConfig, SqliteBackend, TaskManager, TaskRecord
from tests.support.choosing import slow_but_the_first
from tests.support.commands import COMMAND, run_command

STORE = "sqlite:///tasks.db"

APP = """
import asyncio, os, time
from pathlib import Path

from fastapi import FastAPI
from fastapi_taskflow import QueueConfig, TaskManager, task_log

task_manager = TaskManager(snapshot_db="tasks.db", queues={"mail": QueueConfig(concurrency=2)})
app = FastAPI()
task_manager.install(app)


@task_manager.task(persist=True)
def add(one: int, two: int) -> None:
    task_log(f"{one} + {two} = {one + two}")


@task_manager.task(persist=True, retries=1, queue="mail")
def fail(text: str) -> None:
    raise ValueError(text)


@task_manager.task(persist=True)
async def hold() -> None:
    Path("held").write_text(str(os.getpid()))
    while not Path("released").exists():
        await asyncio.sleep(0.01)


@task_manager.task(requeue_on_interrupt=True)
async def hold_again() -> None:
    await hold()


@task_manager.task()
def plain() -> None:
    raise ValueError("not durable")
"""


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the tests that start the command, which takes a second each time, few are not slow.

    They are marked as quick: there is one for each command.
    """
    folder = Path(__file__).parent
    slow_but_the_first(items, folder, _starts)
    here = [one for one in items if one.path.parent == folder and isinstance(one, pytest.Function)]
    for test in here:
        if test.get_closest_marker("quick") is None and _starts(test):
            test.add_marker(pytest.mark.slow)


def _starts(test: pytest.Function) -> bool:
    return "place" in test.fixturenames or hasattr(test.module, "COMMAND")


def environment() -> dict[str, str]:
    """Without what would colour or widen the output, or choose a store."""
    unwanted = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "COLUMNS", "TASKFLOW_STORE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def wait_until(condition: Callable[[], object], what: str, within: float = 60.0) -> None:
    """Wait for something that another process does.

    Raises:
        AssertionError: it did not happen.
    """
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.01)


class Ended:
    """A command that has ended."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Worker:
    """A worker process; what it says is in ``log``."""

    def __init__(self, folder: Path, number: int, *arguments: str) -> None:
        self._path = folder / f"worker{number}.log"
        with self._path.open("w") as log:
            self.process = subprocess.Popen(
                [COMMAND, "worker", *arguments],
                cwd=folder,
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._path.read_text()

    def wait_for(self, pattern: str) -> None:
        wait_until(lambda: re.search(pattern, self.log), f"{pattern!r} in {self.log}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within: float = 60.0) -> int:
        return self.process.wait(within)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # EIO: nobody holds the other side any more
        return b""


class Place:
    """A folder with an app and its store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[Worker] = []
        (folder / "main.py").write_text(APP)

    def run(self, *arguments: str, store: str | None = STORE) -> Ended:
        """A command and its end; ``store`` is in its environment."""
        more = {} if store is None else {"TASKFLOW_STORE": store}
        return Ended(run_command(arguments, self.folder, {**environment(), **more}))

    def on_terminal(self, *arguments: str, prompt: str, answer: str) -> str:
        """What a terminal shows of a command that asks something."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env={**environment(), "TASKFLOW_STORE": STORE, "TERM": "dumb"},
            stdin=follower,
            stdout=follower,
            stderr=follower,
        )
        os.close(follower)
        shown = b""
        answered = False
        with process:
            while piece := _read(leader):
                shown += piece
                if not answered and prompt.encode() in shown:
                    answered = True
                    os.write(leader, f"{answer}\n".encode())
        os.close(leader)
        return shown.decode()

    def worker(self, *arguments: str) -> Worker:
        """A worker that is ready."""
        worker = Worker(self.folder, len(self.workers), *arguments)
        self.workers.append(worker)
        worker.wait_for("is ready")
        return worker

    def enqueue(self, name: str, *args: Any, **options: Any) -> str:
        """Store a task from this process, which runs none."""
        return asyncio.run(self._enqueue(name, args, options))

    def batch(self, *texts: str) -> tuple[str, tuple[str, ...]]:
        """Store a batch of ``fail`` from this process, which runs none; its id and its tasks'."""

        async def stored() -> tuple[str, tuple[str, ...]]:
            tasks = TaskManager(snapshot_db=self.folder / "tasks.db", roles=["enqueue"])

            @tasks.task(name="fail", persist=True)
            def function(text: str) -> None: ...

            async with tasks:
                return await tasks.batch([tasks.call(function, text) for text in texts])

        return asyncio.run(stored())

    async def _enqueue(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> str:
        task_manager = TaskManager(
            snapshot_db=self.folder / "tasks.db",
            queues={"mail": QueueConfig()},
            roles=["enqueue"],
            encrypt_args_key=options.pop("key", None),
        )

        def function(*_args: Any) -> None: ...

        task_manager.task(
            name=name,
            persist=True,
            requeue_on_interrupt=options.pop("requeue", False),
            queue=options.pop("queue", None),
        )(function)
        async with task_manager:
            return (await task_manager.enqueue(function, *args, **options)).task_id

    def record(self, task_id: str) -> TaskRecord:
        return asyncio.run(self._record(task_id))

    async def _record(self, task_id: str) -> TaskRecord:
        onlooker = SqliteBackend(str(self.folder / "tasks.db")).onlooker()
        await onlooker.open(lambda: None)
        try:
            (stored,) = await onlooker.get([task_id])
        finally:
            await onlooker.close()
        assert stored is not None
        return stored.record

    def wait_for_state(self, task_id: str, *states: str) -> TaskRecord:
        wait_until(lambda: self.record(task_id).status.value in states, f"{task_id} to be {states}")
        return self.record(task_id)

    def wait_for_file(self, name: str) -> str:
        path = self.folder / name
        wait_until(lambda: path.exists() and path.read_text(), f"file {name}")
        return path.read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    for worker in place.workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
