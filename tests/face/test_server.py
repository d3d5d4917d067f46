"""Under a real uvicorn, with a client that leaves or stays."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from fastapi_taskflow import TaskManager, TaskStatus
from tests.support.gates import ThreadGate
from tests.support.servers import serving_here

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.crash


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("persist", [False, True])
def test_the_client_has_its_response_while_the_task_runs(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    gate = ThreadGate()
    tasks.task(persist=persist, name="stand")(gate.stand)

    @app.post("/")
    def endpoint(background_tasks: BackgroundTasks) -> str:
        background_tasks.add_task(gate.stand)
        return "sent"

    with serving_here(app) as port:
        with httpx2.stream("POST", f"http://127.0.0.1:{port}/") as answer:
            assert answer.read() == b'"sent"'
            gate.wait_for_arrival()
            (record,) = tasks.store.list()
            assert record.status is TaskStatus.RUNNING
            gate.open()
        wait_for(lambda: record.status is TaskStatus.SUCCESS)


@pytest.mark.parametrize("persist", [False, True])
def test_tasks_run_though_the_client_hung_up(tasks: TaskManager, persist: bool) -> None:
    app = FastAPI()
    tasks.install(app)
    left = threading.Event()
    ran: list[str] = []

    @tasks.task(persist=persist)
    async def note(word: str) -> None:
        ran.append(word)

    async def body(background_tasks: BackgroundTasks) -> AsyncIterator[bytes]:
        try:
            while True:
                background_tasks.add_task(note, "streamed")
                yield b"x" * 65536
                await asyncio.sleep(0)  # lets uvicorn see that nobody listens
        finally:
            left.set()

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(note, "before")
        return StreamingResponse(body(background_tasks))

    with serving_here(app) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert left.wait(10)
        added = len(tasks.store.list())
        wait_for(lambda: len(ran) >= added)

    assert ran[0] == "before"
    assert set(ran[1:]) == {"streamed"}
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_no_task_can_end_the_server(tasks: TaskManager, error: BaseException) -> None:
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=True)
    async def fail() -> None:
        raise error

    @tasks.task()
    def fail_in_thread() -> None:
        raise error

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(fail)
        background_tasks.add_task(fail_in_thread)

    with serving_here(app) as port:
        for _ in range(2):
            assert httpx2.post(f"http://127.0.0.1:{port}/").status_code == 200
        wait_for(lambda: len(tasks.store.list()) == 4)
        wait_for(lambda: {record.status for record in tasks.store.list()} == {TaskStatus.FAILED})
