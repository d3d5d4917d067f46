"""Tasks in a response that an endpoint makes itself: ``Response(background=...)``."""

import functools
import logging
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.background import BackgroundTasks as StarletteTasks

from fastapi_taskflow import ManagedBackgroundTasks, TaskManager, TaskStatus
from fastapi_taskflow.exceptions import ConfigurationError, StoreFull, TaskArgumentError
from fastapi_taskflow.testing import drain
from tests.support.stores import WatchedStore

Make = Callable[..., TaskManager]

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def durable_of(tasks: TaskManager, name: str = "durable") -> Any:
    @tasks.task(persist=True, retries=1, name=name)
    async def durable(word: str = "durable", **options: Any) -> None:
        ran.append(word)
        if word == "fails once" and ran.count(word) == 1:
            raise ConnectionError

    return durable


def plain(word: str = "plain") -> None:
    ran.append(word)


def serve(app: Any, answer: Callable[[], Any], *, sync: bool = False) -> None:
    async def endpoint() -> Any:
        return answer()

    app.post("/")(answer if sync else endpoint)


@pytest.mark.parametrize("call", ["init_app", "install"])
@pytest.mark.parametrize("sync", [False, True])
def test_a_durable_task_is_stored_before_the_response(
    make_manager: Make, call: str, sync: bool
) -> None:
    store = WatchedStore()
    tasks = make_manager(store)
    durable = durable_of(tasks)
    app = FastAPI()

    def answer() -> Any:
        return PlainTextResponse("made", background=BackgroundTask(durable, "fails once"))

    serve(app, answer, sync=sync)
    getattr(tasks, call)(app)

    with TestClient(app) as client:
        assert client.post("/").text == "made"
        assert store.inserts == [[1]]
        drain(tasks)
        store.refuse = StoreFull("no space")
        assert client.post("/").status_code == 503

    assert ran == ["fails once"] * 2
    assert [record.retries_used for record in tasks.store.list()] == [1]


@pytest.mark.parametrize("kind", [StarletteTasks, BackgroundTasks], ids=["starlette", "fastapi"])
def test_a_chain_keeps_its_order(tasks: TaskManager, kind: Any) -> None:
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.install(app)

    def answer() -> Any:
        chain = kind()
        chain.add_task(plain, "first")
        chain.add_task(durable, "second", queue="an argument", tags=1)
        chain.add_task(plain, "third")
        return JSONResponse({}, background=chain)

    serve(app, answer)
    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["first", "second", "third"]
    assert {record.status for record in tasks.store.list()} == {TaskStatus.SUCCESS}
    assert len(tasks.store.list()) == 3


def test_tasks_beside_the_response_run_as_well(tasks: TaskManager) -> None:
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.install(app)

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> Any:
        background_tasks.add_task(durable, "beside")
        return JSONResponse({}, background=BackgroundTask(durable, "within"))

    with TestClient(app) as client:
        assert client.post("/").is_success
        drain(tasks)

    assert sorted(ran) == ["beside", "within"]


@pytest.mark.parametrize(
    "place", ["router", "mounted app", "method", "object", "partial", "late", "stream"]
)
def test_every_kind_of_endpoint_is_looked_at(tasks: TaskManager, place: str) -> None:
    durable = durable_of(tasks)
    app, router, inner = FastAPI(), APIRouter(), FastAPI()
    tasks.install(app)

    class View:
        async def post(self) -> Any:
            return JSONResponse({}, background=BackgroundTask(durable))

        def __call__(self) -> Any:
            return JSONResponse({}, background=BackgroundTask(durable))

    def answer() -> Any:
        if place == "stream":
            return StreamingResponse(iter(["a", "b"]), background=BackgroundTask(durable))
        return JSONResponse({}, background=BackgroundTask(durable))

    match place:
        case "router":
            serve(router, answer)
            app.include_router(router)
        case "mounted app":
            serve(inner, answer)
            app.mount("/inner", inner)
        case "method" | "object" | "partial":
            view = View()
            forms: dict[str, Any] = {
                "method": view.post,
                "object": view,
                "partial": functools.partial(view.post),
            }
            app.add_api_route("/", forms[place], methods=["POST"])
        case "stream":
            serve(app, answer)
        case _:
            pass
    with TestClient(app) as client:
        if place == "late":
            serve(app, answer)
        assert client.post("/inner/" if place == "mounted app" else "/").is_success
        drain(tasks)

    assert ran == ["durable"]
    assert len(tasks.store.list()) == 1


def test_what_is_not_durable_is_left_alone(tasks: TaskManager) -> None:
    durable_of(tasks)
    app = FastAPI()
    tasks.install(app)
    chain = BackgroundTask(plain)
    seen: list[Any] = []

    @app.post("/")
    async def add() -> Any:
        response = JSONResponse({}, background=chain)
        seen.append(response)
        return response

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["plain"]
    assert seen[0].background is chain
    assert tasks.store.list() == []


def test_the_requests_own_object_may_be_given(tasks: TaskManager) -> None:
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.install(app)

    @app.post("/")
    async def add(background_tasks: BackgroundTasks) -> Any:
        background_tasks.add_task(durable)
        return JSONResponse({}, background=background_tasks)

    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["durable"]


def test_an_object_of_the_endpoints_own_is_stored_before_the_response(
    make_manager: Make,
) -> None:
    store = WatchedStore()
    tasks = make_manager(store)
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.init_app(app)

    def answer() -> Any:
        own = ManagedBackgroundTasks(tasks)
        own.add_task(durable, "one")
        own.add_task(plain, "two")
        own.add_task(durable, "three")
        return JSONResponse({}, background=own)

    serve(app, answer)
    with TestClient(app) as client:
        assert client.post("/").is_success
        assert store.inserts == [[2]]
        assert ran == ["one", "two", "three"]
        store.refuse = StoreFull("no space")
        assert client.post("/").status_code == 503
        store.refuse = None

    assert ran == ["one", "two", "three"]


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("kind", [LookupError, Exception, 418])
def test_an_exception_handlers_durable_task_is_enqueued(
    make_manager: Make, kind: Any, sync: bool
) -> None:
    store = WatchedStore()
    tasks = make_manager(store)
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.init_app(app)

    def answer(request: Request, error: Exception) -> Any:
        chain = BackgroundTasks()
        chain.add_task(plain)
        chain.add_task(durable)
        return JSONResponse({}, 418, background=chain)

    async def answer_later(request: Request, error: Exception) -> Any:
        return answer(request, error)

    app.add_exception_handler(kind, answer if sync else answer_later)

    @app.post("/")
    async def refuse() -> None:
        raise HTTPException(418) if kind == 418 else LookupError

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/").status_code == 418
        assert store.inserts == [[1]]
        drain(tasks)

    assert sorted(ran) == ["durable", "plain"]


def test_an_exception_handlers_other_tasks_are_left_alone(tasks: TaskManager) -> None:
    durable = durable_of(tasks)
    app = FastAPI()
    tasks.install(app)

    @app.exception_handler(LookupError)
    async def answer(request: Request, error: Exception) -> Any:
        managed = ManagedBackgroundTasks(tasks)
        managed.add_task(durable, "managed")
        return JSONResponse({}, 404, background=managed)

    @app.exception_handler(KeyError)
    async def answer_plainly(request: Request, error: Exception) -> Any:
        return JSONResponse({}, 404, background=BackgroundTask(plain))

    @app.post("/{key}")
    async def refuse(key: bool) -> None:
        raise KeyError if key else LookupError

    with TestClient(app) as client:
        assert client.post("/0").status_code == 404
        assert client.post("/1").status_code == 404

    assert ran == ["managed", "plain"]


class Odd(BackgroundTask):
    """Somebody's own kind."""


def test_what_cannot_be_taken_is_refused(make_manager: Make) -> None:
    tasks, other = make_manager(), make_manager()
    durable, foreign = durable_of(tasks), durable_of(other, "foreign")
    app = FastAPI()
    tasks.install(app)
    backgrounds: dict[str, tuple[Any, type[Exception]]] = {
        "partial": (BackgroundTask(functools.partial(durable)), TaskArgumentError),
        "subclass": (Odd(durable), ConfigurationError),
        "stranger": (BackgroundTask(foreign), ConfigurationError),
        "argument": (BackgroundTask(durable, object()), TaskArgumentError),
    }

    @app.post("/{name}")
    async def add(name: str) -> Any:
        return JSONResponse({}, background=backgrounds[name][0])

    with TestClient(app) as client:
        for name, (_, error) in backgrounds.items():
            with pytest.raises(error):
                client.post(f"/{name}")

    assert ran == []
    assert tasks.store.list() == []


def test_each_managers_tasks_go_to_their_own(make_manager: Make) -> None:
    tasks, other = make_manager(), make_manager()
    mine, theirs = durable_of(tasks, "mine"), durable_of(other, "theirs")
    app = FastAPI()
    tasks.install(app)
    other.init_app(app)

    def answer() -> Any:
        chain = BackgroundTasks()
        chain.add_task(theirs, "theirs")
        chain.add_task(mine, "mine")
        return JSONResponse({}, background=chain)

    serve(app, answer)
    with TestClient(app) as client:
        assert client.post("/").is_success

    assert ran == ["theirs", "mine"]
    assert [record.func_name for record in tasks.store.list()] == ["mine"]
    assert [record.func_name for record in other.store.list()] == ["theirs"]


# Stock objects in endpoints


@pytest.mark.parametrize("installed", [False, True])
def test_an_app_without_install_is_told_of_its_stock_tasks(
    tasks: TaskManager, installed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    durable_of(tasks)
    app = FastAPI()
    (tasks.install if installed else tasks.init_app)(app)

    def dependency(background_tasks: BackgroundTasks) -> None: ...

    @app.get("/stock")
    async def stock(background_tasks: BackgroundTasks) -> None: ...

    @app.get("/below", dependencies=[Depends(dependency)])
    async def below() -> None: ...

    @app.get("/ours")
    async def ours(own: Annotated[ManagedBackgroundTasks, Depends(tasks.get_tasks)]) -> None: ...

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with TestClient(app):
                pass

    told = [record.getMessage() for record in caplog.records if "BackgroundTasks" in record.message]
    assert len(told) == (0 if installed else 1)
    assert all("/stock" in text and "/below" in text and "/ours" not in text for text in told)


def test_without_durable_tasks_nothing_is_said(
    tasks: TaskManager, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    tasks.init_app(app)

    @app.get("/stock")
    async def stock(background_tasks: BackgroundTasks) -> None: ...

    with TestClient(app):
        pass

    assert "BackgroundTasks" not in caplog.text
