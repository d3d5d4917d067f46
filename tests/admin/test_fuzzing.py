"""A client that tries everything the OpenAPI document allows, and much that it does not."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import settings

from fastapi_taskflow import QueueConfig, SqliteBackend, TaskAdmin, TaskManager
from tests.support.waiting import wait_until

schemathesis = pytest.importorskip("schemathesis", reason="not among the tools for the floor")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytestmark = pytest.mark.slow


def app_with(manager: TaskManager) -> FastAPI:
    @manager.task()
    async def succeed(number: int) -> None: ...

    @manager.task()
    async def fail(number: int) -> None:
        raise RuntimeError(number)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for number in range(20):
            await manager.enqueue(succeed if number % 2 else fail, number)
        yield

    app = FastAPI(lifespan=lifespan)
    TaskAdmin(app, manager, display_func_args=True)
    return app


schema = schemathesis.openapi.from_dict(app_with(TaskManager()).openapi())


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def address(request, tmp_path_factory) -> Iterator[str]:
    """Of a real server with twenty tasks."""
    path = tmp_path_factory.mktemp("schema") / "tasks.db"
    backend = SqliteBackend(str(path)) if request.param == "sqlite" else None
    app = app_with(TaskManager(snapshot_backend=backend, queues={"mail": QueueConfig()}))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    started = threading.Event()

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            await wait_until(lambda: server.started)
            started.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        assert started.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@schema.parametrize()
@settings(max_examples=40)
def test_every_answer_is_documented_and_none_is_a_failure(case, address):
    if isinstance(case.query, dict):
        # Valid ones come from earlier pages only; tests of their own try the others.
        case.query.pop("cursor", None)
    response = case.call(base_url=address)
    # No schema says that since and until need a bucket, or that the range has a bound.
    ranged = case.path == "/tasks/metrics" and {"since", "until"} & set(case.query or ())
    excluded = [checks.positive_data_acceptance] if ranged and response.status_code == 422 else []
    case.validate_response(response, excluded_checks=excluded)
