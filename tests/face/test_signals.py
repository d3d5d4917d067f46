"""SIGTERM and SIGINT begin the drain at once, and are handed on."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_taskflow import SqliteBackend, TaskManager
from tests.support.servers import Server, serving
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


class Heard:
    """A handler that somebody had set before us."""

    def __init__(self) -> None:
        self.signals: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, handler)
    yield handler
    for number, former in before.items():
        signal.signal(number, former)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_begins_the_drain_and_is_handed_on(
    tasks: TaskManager, heard: Heard, number: signal.Signals
) -> None:
    app = FastAPI()
    tasks.init_app(app)

    async with app.router.lifespan_context(app):
        assert signal.getsignal(number) is not heard
        engine = tasks.runtime.engine()
        signal.raise_signal(number)
        await wait_until(lambda: engine.draining)

    assert heard.signals == [number]
    assert signal.getsignal(number) is heard


@pytest.mark.parametrize(
    ("number", "default"),
    [(signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)],
)
async def test_a_default_action_stays_as_it_is(
    tasks: TaskManager, heard: Heard, number: signal.Signals, default: Any
) -> None:
    app = FastAPI()
    tasks.init_app(app)
    signal.signal(number, default)

    async with app.router.lifespan_context(app):
        assert signal.getsignal(number) is default


async def test_two_managers_hear_one_signal_each(make_manager: Make, heard: Heard) -> None:
    managers = [make_manager(), make_manager()]
    app = FastAPI()
    for each in managers:
        each.init_app(app)

    async with app.router.lifespan_context(app):
        engines = [each.runtime.engine() for each in managers]
        signal.raise_signal(signal.SIGTERM)
        await wait_until(lambda: all(engine.draining for engine in engines))

    assert heard.signals == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is heard


class Serving:
    """A server as uvicorn's: its own handler of signals, and what tells that it has stopped."""

    def __init__(self, listener: asyncio.Server) -> None:
        self.servers = [listener]
        self.should_exit = False

    def handle_exit(self, number: int, frame: FrameType | None) -> None: ...


@pytest.mark.parametrize("end", ["its sockets are closed", "it is told to"])
async def test_a_server_that_stops_without_a_signal_begins_the_drain(
    make_manager: Make, heard: Heard, end: str
) -> None:
    managers = [make_manager(), make_manager()]
    app = FastAPI()
    for each in managers:
        each.init_app(app)
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    server = Serving(listener)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)

    async with app.router.lifespan_context(app):
        engines = [each.runtime.engine() for each in managers]
        assert not any(engine.draining for engine in engines)
        if end == "it is told to":
            server.should_exit = True
        else:
            listener.close()
        await wait_until(lambda: all(engine.draining for engine in engines))
    listener.close()


async def test_one_manager_on_two_apps_hears_one_signal_once(
    tasks: TaskManager, heard: Heard
) -> None:
    apps = [FastAPI(), FastAPI()]
    cancelled = asyncio.Event()
    started = asyncio.Event()

    @tasks.task()
    async def stand() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    for app in apps:
        tasks.init_app(app)
    one, other = (app.router.lifespan_context(app) for app in apps)
    async with one, other:
        await tasks.enqueue(stand)
        await started.wait()
        signal.raise_signal(signal.SIGTERM)
        await wait_until(lambda: tasks.runtime.engine().draining)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not cancelled.is_set()  # a second signal would end it at once
        signal.raise_signal(signal.SIGTERM)
        await wait_until(cancelled.is_set)

    assert heard.signals == [signal.SIGTERM] * 2
    assert signal.getsignal(signal.SIGTERM) is heard


async def test_a_handler_that_was_put_in_front_of_ours_stays(
    tasks: TaskManager, heard: Heard
) -> None:
    app = FastAPI()
    tasks.init_app(app)
    later = Heard()

    async with app.router.lifespan_context(app):
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        signal.signal(signal.SIGTERM, later)

    assert signal.getsignal(signal.SIGTERM) is later
    ours(signal.SIGTERM, None)  # as a handler does that chains as ours do
    assert heard.signals == [signal.SIGTERM]


def test_outside_the_main_thread_signals_are_left_alone(tasks: TaskManager, heard: Heard) -> None:
    app = FastAPI()
    tasks.init_app(app)
    seen: list[object] = []

    async def live() -> None:
        async with app.router.lifespan_context(app):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    thread.join()

    assert seen == [heard]


SERVED = """
import asyncio
from fastapi import BackgroundTasks, FastAPI
from fastapi_taskflow import TaskManager

tasks = TaskManager(snapshot_db="tasks.db", drain_timeout={drain})
app = FastAPI()
tasks.install(app)

@tasks.task(persist=True)
async def short():
    print("short started")
    await asyncio.sleep(0.3)
    print("short ended")

@tasks.task(persist=True)
async def endless():
    print("endless started")
    await asyncio.Event().wait()

@tasks.task(persist=True, priority=1)
async def beside():
    print("beside started")
    await asyncio.Event().wait()

@tasks.task(persist=True, requeue_on_interrupt=True)
async def again():
    print("again started")
    await asyncio.Event().wait()

@app.post("/")
async def add(name: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(globals()[name])
    background_tasks.add_task(short)
"""


def states(folder: Path) -> list[tuple[str, str]]:
    rows = SqliteBackend(str(folder / "tasks.db")).query()
    return sorted((row["func_name"], row["status"]) for row in rows)


def post(server: Server, name: str) -> None:
    # Until the status line: what the chain runs goes on while the test acts.
    with httpx2.stream("POST", f"{server.url}/?name={name}") as answer:
        assert answer.status_code == 200


@pytest.mark.crash
def test_sigterm_waits_for_the_lane_and_loses_nothing(tmp_path: Path) -> None:
    with serving(SERVED.format(drain=600), tmp_path) as server:
        post(server, "short")
        server.wait_for("short started")
        server.send(signal.SIGTERM)
        server.ended()
        log = server.log()

    assert "short ended" in log
    assert server.process.returncode in (0, -signal.SIGTERM)
    # The second one had not started: it waits for the next start.
    assert states(tmp_path) == [("short", "pending"), ("short", "success")]


@pytest.mark.crash
def test_the_drain_ends_what_takes_longer_than_it_may(tmp_path: Path) -> None:
    with serving(SERVED.format(drain=0.5), tmp_path) as server:
        post(server, "endless")
        post(server, "again")
        server.wait_for("endless started")
        server.wait_for("again started")
        server.send(signal.SIGTERM)
        server.ended()

    # uvicorn begins its own shutdown only when the chains have returned.
    assert states(tmp_path) == [
        ("again", "pending"),
        ("endless", "interrupted"),
        ("short", "pending"),
        ("short", "pending"),
    ]


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ["endless", "beside"])
def test_a_second_signal_is_the_deadline_now(
    tmp_path: Path, name: str, number: signal.Signals
) -> None:
    with serving(SERVED.format(drain=600), tmp_path) as server:
        post(server, name)
        server.wait_for(f"{name} started")
        server.send(number)
        # A chain holds up uvicorn before its lifespan ends; what runs beside it, afterwards.
        server.wait_for(
            "Waiting for background" if name == "endless" else "Waiting for application shutdown"
        )
        server.send(signal.SIGTERM)
        server.ended()

    assert dict(states(tmp_path))[name] == "interrupted"
