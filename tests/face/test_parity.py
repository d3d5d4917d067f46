"""Stock and managed background tasks side by side: the same app, the same requests.

Where the two differ on purpose, the test says how each behaves.
"""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

from fastapi_taskflow import MemoryBackend, TaskManager, TaskStatus
from tests.face.conftest import QUICK

F = TypeVar("F", bound=Callable[..., Any])

where: ContextVar[str] = ContextVar("where", default="nowhere")


class Side:
    """An app with stock or managed tasks; ``ran`` is what its tasks note.

    Attributes:
        durable: Tasks given to `task` are durable.
    """

    def __init__(self, name: str) -> None:
        self.app = FastAPI()
        self.managed = name != "stock"
        self.durable = name == "durable"
        self.ran: list[str] = []
        self._threads: list[int] = []
        self.tasks = TaskManager(snapshot_backend=MemoryBackend(), **QUICK)
        if self.managed:
            self.tasks.install(self.app)
        self.note = self.task(self._note)
        self.note_in_thread = self.task(self._note_in_thread)

    def task(self, func: F) -> F:
        """Register a function where there is somebody to register it with."""
        if not self.managed:
            return func
        return self.tasks.task(persist=self.durable, name=func.__name__.strip("_"))(func)

    async def _note(self, word: str) -> None:
        self.ran.append(word)

    def _note_in_thread(self, word: str) -> None:
        self.ran.append(word)

    def client(self, *, raises: bool = True) -> TestClient:
        return TestClient(self.app, raise_server_exceptions=raises)

    def statuses(self) -> set[TaskStatus]:
        """The states of all that was accepted."""
        return {record.status for record in self.tasks.store.list()}


@pytest.fixture(params=["stock", "managed", "durable"])
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


def test_tasks_run_in_order_and_the_test_client_waits_for_them(side: Side) -> None:
    @side.app.post("/")
    def endpoint(background_tasks: BackgroundTasks) -> str:
        background_tasks.add_task(side.note, "first")
        background_tasks.add_task(side.note_in_thread, "second")
        background_tasks.add_task(side.note, word="third")
        side.ran.append("endpoint")
        return "sent"

    @side.app.get("/")
    def look() -> list[str]:
        return side.ran

    with side.client() as client:
        assert client.post("/").json() == "sent"
        assert client.get("/").json() == ["endpoint", "first", "second", "third"]

    assert side.statuses() == ({TaskStatus.SUCCESS} if side.managed else set())


@pytest.mark.parametrize("error", [HTTPException(404), LookupError("broken")])
def test_a_raising_endpoint_drops_its_tasks(side: Side, error: Exception) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(side.note, "never")
        raise error

    with side.client(raises=False) as client:
        assert client.post("/").status_code in (404, 500)

    assert side.ran == []
    assert side.statuses() == set()


def test_an_invalid_request_drops_the_tasks_of_its_dependencies(side: Side) -> None:
    def dependency(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(side.note, "never")

    @side.app.post("/", dependencies=[Depends(dependency)])
    async def endpoint(number: int) -> None: ...

    with side.client() as client:
        assert client.post("/?number=one").status_code == 422

    assert side.ran == []
    assert side.statuses() == set()


def test_an_invalid_response_drops_the_tasks(side: Side) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> int:
        background_tasks.add_task(side.note, "never")
        return "no number"  # type: ignore[return-value]

    with side.client() as client, pytest.raises(ResponseValidationError):
        client.post("/")

    assert side.ran == []
    assert side.statuses() == set()


@pytest.mark.parametrize("status", [204, 404, 500])
def test_a_returned_response_keeps_the_tasks_whatever_its_status(side: Side, status: int) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> Response:
        background_tasks.add_task(side.note, "ran")
        return Response(status_code=status)

    with side.client() as client:
        assert client.post("/").status_code == status

    assert side.ran == ["ran"]


def test_tasks_beside_a_responses_own_background_run_when_managed(side: Side) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> JSONResponse:
        background_tasks.add_task(side.note, "injected")
        return JSONResponse({}, background=BackgroundTask(side.ran.append, "own"))

    with side.client() as client:
        assert client.post("/").is_success

    # Documented: stock FastAPI forgets them without a word.
    assert side.ran == (["own", "injected"] if side.managed else ["own"])


def test_a_response_may_be_given_the_injected_tasks_itself(side: Side) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> JSONResponse:
        background_tasks.add_task(side.note, "ran")
        return JSONResponse({}, background=background_tasks)

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["ran"]


def test_tasks_added_while_the_body_streams_run_after_it(side: Side) -> None:
    async def body(background_tasks: BackgroundTasks) -> AsyncIterator[str]:
        yield "a"
        background_tasks.add_task(side.note, "while streaming")
        side.ran.append("streamed")
        yield "b"

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(side.note, "before")
        return StreamingResponse(body(background_tasks))

    with side.client() as client:
        assert client.post("/").text == "ab"

    assert side.ran == ["streamed", "before", "while streaming"]


def test_a_generator_endpoint_adds_its_tasks_while_it_streams(side: Side) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> AsyncIterator[int]:
        background_tasks.add_task(side.note, "one")
        yield 1
        background_tasks.add_task(side.note, "two")
        yield 2

    with side.client() as client:
        assert client.post("/").text.split() == ["1", "2"]

    assert side.ran == ["one", "two"]


def test_a_body_that_breaks_drops_what_is_not_stored(side: Side) -> None:
    async def body(background_tasks: BackgroundTasks) -> AsyncIterator[str]:
        yield "a"
        background_tasks.add_task(side.note, "late")
        raise LookupError("broken")

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(side.note, "before")
        return StreamingResponse(body(background_tasks))

    with side.client() as client, pytest.raises(LookupError):
        client.post("/")

    # Documented: what was stored before the response survives it.
    assert side.ran == (["before"] if side.durable else [])


def test_a_failing_file_response_drops_what_is_not_stored(side: Side, tmp_path: Path) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> FileResponse:
        background_tasks.add_task(side.note, "before")
        return FileResponse(tmp_path / "missing")

    with side.client() as client, pytest.raises(RuntimeError, match="does not exist"):
        client.post("/")

    # Documented: as above.
    assert side.ran == (["before"] if side.durable else [])
    assert side.statuses() == ({TaskStatus.SUCCESS} if side.durable else set())


def test_tasks_survive_a_middleware_that_replaces_the_response(side: Side) -> None:
    class Replace(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            await call_next(request)
            return PlainTextResponse("replaced")

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> str:
        background_tasks.add_task(side.note, "ran")
        return "original"

    side.app.add_middleware(Replace)
    with side.client() as client:
        assert client.post("/").text == "replaced"

    assert side.ran == ["ran"]


def test_a_failing_task_stops_the_next_one_only_in_stock(side: Side) -> None:
    @side.task
    async def fail() -> None:
        raise LookupError("broken")

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(fail)
        background_tasks.add_task(side.note, "next")

    with side.client(raises=False) as client:
        # Documented: a failure is recorded and logged, not raised into the server.
        assert client.post("/").status_code == 200

    assert side.ran == (["next"] if side.managed else [])
    if side.managed:
        assert side.statuses() == {TaskStatus.FAILED, TaskStatus.SUCCESS}


def test_a_task_may_add_another_one(side: Side) -> None:
    async def parent(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(side.note, "child")
        side.ran.append("parent")

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(parent, background_tasks)
        background_tasks.add_task(side.note, "sibling")

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["parent", "sibling", "child"]


def test_plain_functions_run_in_a_thread(side: Side) -> None:
    seen: dict[str, int] = {}

    @side.task
    def in_thread() -> None:
        seen["task"] = threading.get_ident()

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        seen["loop"] = threading.get_ident()
        background_tasks.add_task(in_thread)

    with side.client() as client:
        assert client.post("/").is_success

    assert seen["task"] != seen["loop"]


@pytest.mark.parametrize("is_async", [True, False])
def test_context_variables_reach_the_task(side: Side, is_async: bool) -> None:
    @side.task
    async def on_loop() -> None:
        side.ran.append(where.get())

    @side.task
    def in_thread() -> None:
        side.ran.append(where.get())

    @side.app.middleware("http")
    async def set_it(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        where.set("middleware")
        return await call_next(request)

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        where.set(f"{where.get()}, endpoint")
        background_tasks.add_task(on_loop if is_async else in_thread)

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["middleware, endpoint"]


class Noter:
    """Things that can be called, other than functions."""

    def __init__(self, ran: list[str]) -> None:
        self.ran = ran

    def method(self, word: str) -> None:
        self.ran.append(word)

    async def async_method(self, word: str) -> None:
        self.ran.append(word)

    def __call__(self, word: str) -> None:
        self.ran.append(word)


class AsyncNoter(Noter):
    async def __call__(self, word: str) -> None:  # type: ignore[override]
        self.ran.append(word)


def test_anything_that_can_be_called_runs(side: Side) -> None:
    noter = Noter(side.ran)

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        for func in (
            noter.method,
            noter.async_method,
            noter,
            AsyncNoter(side.ran),
            partial(noter.method),
            partial(partial(noter.async_method)),
            lambda word: side.ran.append(word),  # noqa: PLW0108  (a lambda is the point)
            side.ran.append,
        ):
            background_tasks.add_task(func, "ran")

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["ran"] * 8
    if side.managed:
        assert len(side.tasks.store.list()) == 8
        assert side.statuses() == {TaskStatus.SUCCESS}


def test_tasks_of_a_dependency_run_before_those_of_the_endpoint(side: Side) -> None:
    async def dependency(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(side.note, "dependency")

    @side.app.post("/")
    async def endpoint(
        background_tasks: BackgroundTasks, _: Annotated[None, Depends(dependency)]
    ) -> None:
        background_tasks.add_task(side.note, "endpoint")

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["dependency", "endpoint"]


def test_tasks_of_a_websocket_run_only_when_managed(side: Side) -> None:
    @side.app.websocket("/")
    async def handler(websocket: WebSocket, background_tasks: BackgroundTasks) -> None:
        await websocket.accept()
        background_tasks.add_task(side.note, "ran")

    with side.client() as client, client.websocket_connect("/"):
        pass

    # Documented: stock FastAPI never runs them.
    assert side.ran == (["ran"] if side.managed else [])


def test_what_a_task_returns_is_nobodys_business(side: Side) -> None:
    @side.task
    async def talkative() -> object:
        return object()

    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(talkative)
        background_tasks.add_task(side.note, "next")

    with side.client() as client:
        assert client.post("/").is_success

    assert side.ran == ["next"]


def test_the_app_runs_without_its_lifespan(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    @side.app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(side.note, "one")
        background_tasks.add_task(side.note_in_thread, "two")

    client = side.client()  # not entered: no lifespan, so no engine
    if side.durable:
        with pytest.raises(RuntimeError, match="with TestClient"):
            client.post("/")
        return
    assert client.post("/").is_success
    assert client.post("/").is_success

    assert side.ran == ["one", "two"] * 2
    warnings = [each for each in caplog.records if "plain FastAPI" in each.message]
    assert len(warnings) == side.managed
