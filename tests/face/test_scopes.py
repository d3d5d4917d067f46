"""Where in a request the tasks are committed, and when its scope ends."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager
from fastapi_taskflow.app import scopes
from fastapi_taskflow.app.integration import install
from fastapi_taskflow.exceptions import StoreFull
from tests.support.stores import WatchedStore

Make = Callable[..., TaskManager]


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def watched(make_manager: Make, store: WatchedStore) -> TaskManager:
    return make_manager(store)


@pytest.fixture
def events(store: WatchedStore) -> list[str]:
    """Inserts, and what tests add."""
    return store.events


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_this_fastapi_keeps_its_exit_stacks_in_the_scope(kind: str) -> None:
    # The canary: if it fails, `scopes.by_yield` does the work, at three times the cost.
    assert scopes.HAS_STACKS
    app = FastAPI()
    seen: dict[str, Any] = {}

    async def look(conn: HTTPConnection) -> None:
        seen.update(conn.scope)

    app.get("/", dependencies=[Depends(look)])(lambda: None)

    @app.websocket("/", dependencies=[Depends(look)])
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    client = TestClient(app)
    if kind == "http":
        assert client.get("/").is_success
    else:
        with client.websocket_connect("/"):
            pass

    assert {scopes.FUNCTION_STACK, scopes.REQUEST_STACK} <= seen.keys()


@pytest.mark.parametrize("way", ["installed", "by yield", "dependency"])
def test_the_users_own_commit_comes_first(
    watched: TaskManager, events: list[str], way: str
) -> None:
    app = FastAPI()
    if way == "dependency":
        watched.init_app(app)
    else:
        install(watched, app, has_stacks=way == "installed")

    @watched.task(persist=True)
    async def note() -> None:
        events.append("task ran")

    async def function_scoped() -> AsyncIterator[None]:
        yield
        events.append("function's own commit")

    def request_scoped(background_tasks: BackgroundTasks) -> Iterator[None]:
        yield
        events.append("request's own commit")

    @app.post("/")
    async def endpoint(
        session: Annotated[None, Depends(function_scoped, scope="function")],
        other: Annotated[None, Depends(request_scoped)],
        background_tasks: BackgroundTasks,
        managed: Annotated[None, Depends(watched.get_tasks)],
    ) -> None:
        events.append("endpoint")
        background_tasks.add_task(note)

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert events == [
        "endpoint",
        "function's own commit",
        "insert of 1",
        "task ran",
        "request's own commit",
    ]


@pytest.mark.parametrize("has_stacks", [True, False])
def test_a_failing_commit_of_the_user_stores_nothing(
    watched: TaskManager, events: list[str], has_stacks: bool
) -> None:
    app = FastAPI()
    install(watched, app, has_stacks=has_stacks)

    @watched.task(persist=True)
    async def note() -> None: ...

    async def session() -> AsyncIterator[None]:
        yield
        raise HTTPException(418)

    @app.post("/")
    async def endpoint(
        own: Annotated[None, Depends(session, scope="function")], background_tasks: BackgroundTasks
    ) -> None:
        background_tasks.add_task(note)

    with TestClient(app) as client:
        assert client.post("/").status_code == 418

    assert events == []
    assert watched.store.list() == []


@pytest.mark.parametrize("has_stacks", [True, False])
def test_what_cannot_be_stored_is_answered_with_503(
    watched: TaskManager, store: WatchedStore, has_stacks: bool
) -> None:
    app = FastAPI()
    install(watched, app, has_stacks=has_stacks)

    @watched.task(persist=True)
    async def note() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note)

    with TestClient(app) as client:
        store.refuse = StoreFull("no space")
        assert client.post("/").status_code == 503
        store.refuse = None
        assert client.post("/").status_code == 200

    assert store.inserts == [[1]]
    assert len(watched.store.list()) == 1


@pytest.mark.parametrize("has_stacks", [True, False])
def test_tasks_added_at_the_exit_of_a_request_are_stored_at_its_end(
    watched: TaskManager, events: list[str], has_stacks: bool
) -> None:
    app = FastAPI()
    install(watched, app, has_stacks=has_stacks)

    @watched.task(persist=True)
    async def note(word: str) -> None:
        events.append(word)

    async def session(background_tasks: BackgroundTasks) -> AsyncIterator[None]:
        yield
        background_tasks.add_task(note, "late")

    @app.post("/")
    async def endpoint(
        own: Annotated[None, Depends(session)], background_tasks: BackgroundTasks
    ) -> None:
        background_tasks.add_task(note, "in time")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert events == ["insert of 1", "in time", "insert of 1", "late"]


def test_the_exit_of_an_earlier_dependency_may_still_add_tasks(
    watched: TaskManager, events: list[str]
) -> None:
    app = FastAPI()
    watched.init_app(app)

    @watched.task(persist=True)
    async def note() -> None:
        events.append("ran")

    async def session(background_tasks: BackgroundTasks) -> AsyncIterator[None]:
        yield
        background_tasks.add_task(note)

    @app.post("/")
    async def endpoint(
        own: Annotated[None, Depends(session)],
        managed: Annotated[ManagedBackgroundTasks, Depends(watched.get_tasks)],
    ) -> None: ...

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert events == ["insert of 1", "ran"]


def test_a_request_scoped_dependency_may_hold_the_tasks(watched: TaskManager) -> None:
    app = FastAPI()
    watched.init_app(app)
    ran: list[str] = []

    @watched.task(persist=True)
    def note(word: str) -> None:
        ran.append(word)

    async def outbox(
        managed: Annotated[ManagedBackgroundTasks, Depends(watched.get_tasks)],
    ) -> AsyncIterator[ManagedBackgroundTasks]:
        managed.add_task(note, "before")
        yield managed
        managed.add_task(note, "after")

    @app.post("/")
    async def endpoint(box: Annotated[ManagedBackgroundTasks, Depends(outbox)]) -> None:
        box.add_task(note, "during")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["before", "during", "after"]


@pytest.mark.parametrize("has_stacks", [True, False])
@pytest.mark.parametrize("error", [HTTPException(404), LookupError("broken")])
def test_an_endpoint_that_raises_stores_and_runs_nothing(
    watched: TaskManager, events: list[str], has_stacks: bool, error: Exception
) -> None:
    app = FastAPI()
    install(watched, app, has_stacks=has_stacks)

    @watched.task(persist=True)
    async def durable() -> None:
        events.append("ran")

    async def session(background_tasks: BackgroundTasks) -> AsyncIterator[None]:
        try:
            yield
        finally:
            background_tasks.add_task(durable)

    @app.post("/")
    async def endpoint(
        own: Annotated[None, Depends(session)], background_tasks: BackgroundTasks
    ) -> None:
        background_tasks.add_task(durable)
        background_tasks.add_task(events.append, "ran")
        background_tasks.add_task(events.append, "ran", queue="default")  # type: ignore[call-arg]
        raise error

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/").status_code in (404, 500)

    assert events == []
    assert watched.store.list() == []


def test_a_middleware_may_call_the_app_twice(watched: TaskManager, events: list[str]) -> None:
    app = FastAPI()
    watched.install(app)
    tries: list[int] = []

    @watched.task(persist=True)
    async def note() -> None:
        events.append("ran")

    class Again:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.app(scope, receive, send)
            except LookupError:
                await self.app(scope, receive, send)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note)
        tries.append(1)
        if len(tries) == 1:
            raise LookupError

    app.add_middleware(Again)
    with TestClient(app) as client:
        assert client.post("/").is_success

    assert len(tries) == 2
    assert events == ["insert of 1", "ran"]


@pytest.mark.parametrize(
    ("add", "expected"),
    [("lane", ["lane"]), ("queue", ["queue"]), ("both", ["lane", "queue"])],
)
def test_what_nobody_would_commit_runs_if_it_is_not_durable(
    watched: TaskManager, events: list[str], add: str, expected: list[str]
) -> None:
    app = FastAPI()
    watched.init_app(app)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        managed = ManagedBackgroundTasks(watched, background_tasks)
        if add in ("lane", "both"):
            managed.add_task(events.append, "lane")
        if add in ("queue", "both"):
            managed.add_task(events.append, "queue", priority=1)

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert sorted(events) == expected


def test_a_durable_task_that_nobody_would_commit_is_refused(
    watched: TaskManager, events: list[str]
) -> None:
    app = FastAPI()
    watched.init_app(app)

    @watched.task(persist=True)
    async def durable() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        ManagedBackgroundTasks(watched, background_tasks).add_task(durable)

    with TestClient(app) as client, pytest.raises(ValueError, match="nothing would store"):
        client.post("/")

    assert events == []
    assert watched.store.list() == []


class Foreign(BackgroundTasks):
    """What another library might make of a request's object."""


def test_the_tasks_of_another_librarys_class_are_shared(
    watched: TaskManager, events: list[str]
) -> None:
    app = FastAPI()
    watched.init_app(app)

    @watched.task(persist=True)
    async def note(word: str) -> None:
        events.append(word)

    def make_foreign(background_tasks: BackgroundTasks) -> None:
        background_tasks.__class__ = Foreign

    @app.post("/", dependencies=[Depends(make_foreign)])
    async def endpoint(
        background_tasks: BackgroundTasks,
        managed: Annotated[ManagedBackgroundTasks, Depends(watched.get_tasks)],
    ) -> None:
        assert type(background_tasks) is Foreign
        managed.add_task(events.append, "not durable")
        background_tasks.add_task(events.append, "foreign")
        managed.add_task(note, "durable")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert events == ["insert of 1", "not durable", "foreign", "durable"]


def test_tasks_of_an_exit_run_though_another_exit_fails_after_the_response(
    watched: TaskManager, events: list[str]
) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=True)
    async def note(word: str) -> None:
        events.append(word)

    async def failing() -> AsyncIterator[None]:
        yield
        raise LookupError("too late for the response")

    async def adding(background_tasks: BackgroundTasks) -> AsyncIterator[None]:
        yield
        background_tasks.add_task(note, "late")

    @app.post("/")
    async def endpoint(
        one: Annotated[None, Depends(failing)],
        other: Annotated[None, Depends(adding)],
        background_tasks: BackgroundTasks,
    ) -> None:
        background_tasks.add_task(note, "in time")

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/").status_code == 200

    assert events == ["insert of 1", "in time", "insert of 1", "late"]


def test_objects_made_from_managed_tasks_share_their_commit(
    watched: TaskManager, events: list[str]
) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=True)
    async def note(word: str) -> None:
        events.append(word)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note, "one")
        ManagedBackgroundTasks(watched, background_tasks).add_task(note, "two")

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert events == ["insert of 2", "one", "two"]


def test_what_cannot_be_stored_after_the_response_is_logged(
    watched: TaskManager,
    store: WatchedStore,
    events: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=True)
    async def note(word: str) -> None:
        events.append(word)

    async def session(background_tasks: BackgroundTasks) -> AsyncIterator[None]:
        yield
        background_tasks.add_task(note, "late")

    async def stream(background_tasks: BackgroundTasks) -> AsyncIterator[str]:
        yield "begun"
        store.refuse = StoreFull("no space")
        background_tasks.add_task(note, "streamed")

    @app.post("/")
    async def endpoint(
        own: Annotated[None, Depends(session)], background_tasks: BackgroundTasks
    ) -> StreamingResponse:
        background_tasks.add_task(note, "in time")
        background_tasks.add_task(events.append, "not durable")
        return StreamingResponse(stream(background_tasks))

    with TestClient(app) as client:
        assert client.post("/").text == "begun"

    # What was accepted runs all the same.
    assert events == ["insert of 1", "in time", "not durable"]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [error.message for error in errors] == [
        "Tasks added after the response had begun could not be stored"
    ] * 2
    assert {record.func_name for record in watched.store.list()} == {"note", "append"}


def test_what_a_websocket_cannot_store_is_logged(
    watched: TaskManager, store: WatchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    watched.install(app)

    @watched.task(persist=True)
    async def note() -> None: ...

    @app.websocket("/")
    async def handler(websocket: WebSocket, background_tasks: BackgroundTasks) -> None:
        await websocket.accept()
        store.refuse = StoreFull("no space")
        background_tasks.add_task(note)
        await websocket.send_text("done")

    with TestClient(app) as client, client.websocket_connect("/") as session:
        assert session.receive_text() == "done"

    assert "The tasks of a websocket could not be stored" in caplog.text
    assert watched.store.list() == []
