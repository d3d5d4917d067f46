"""No request is answered before its durable tasks are on disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.types import Message

from fastapi_taskflow import (
    MemoryBackend,
    SqliteBackend,
    StoreUnavailable,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
)
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.exceptions import ConfigurationError, StoreFull
from tests.support.exchanges import Exchange
from tests.support.stores import WatchedStore
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
T = TypeVar("T")


class Shop:
    """An app whose only endpoint adds ``count`` durable tasks and one that is not."""

    def __init__(self, tasks: TaskManager) -> None:
        self.app = FastAPI()
        self.tasks = tasks
        self.ran: list[str] = []
        self.served = 0
        tasks.install(self.app)

        @tasks.task(persist=True)
        async def durable(number: int) -> None:
            self.ran.append(f"durable {number}")

        @self.app.post("/")
        async def endpoint(background_tasks: BackgroundTasks, count: int = 1) -> str:
            for number in range(count):
                background_tasks.add_task(durable, number)
            background_tasks.add_task(self.ran.append, "not durable")
            self.served += 1
            return "accepted"


@pytest.fixture
def watched() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def shop(make_manager: Make, watched: WatchedStore) -> Shop:
    return Shop(make_manager(watched))


async def test_the_status_line_follows_the_commit(shop: Shop, watched: WatchedStore) -> None:
    async with shop.tasks:
        watched.hold()
        exchange = Exchange(shop.app, "POST", "/?count=3")
        await wait_until(lambda: watched.waiting)
        for _ in range(20):
            await asyncio.sleep(0)
        assert exchange.messages == []
        assert shop.ran == []

        watched.release()
        assert await exchange.answered() == 200
        await exchange.task

    assert watched.inserts == [[3]]
    assert shop.ran == ["durable 0", "durable 1", "durable 2", "not durable"]


async def test_a_row_is_in_the_file_when_the_first_byte_is_sent(
    make_manager: Make, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.db"
    shop = Shop(make_manager(SqliteBackend(str(path))))
    seen: dict[str, int] = {}

    def count(message: Message) -> None:
        with sqlite3.connect(path) as other:
            (rows,) = other.execute("SELECT count(*) FROM taskflow_tasks").fetchone()
        other.close()
        seen.setdefault(message["type"], rows)

    async with shop.tasks:
        exchange = Exchange(shop.app, "POST", "/?count=2")
        exchange.on_send = count
        assert await exchange.answered() == 200
        await exchange.task

    assert seen["http.response.start"] == 2


async def test_tasks_that_are_not_durable_wait_for_no_store(
    shop: Shop, watched: WatchedStore
) -> None:
    async with shop.tasks:
        watched.hold()
        exchange = Exchange(shop.app, "POST", "/?count=0")
        assert await exchange.answered() == 200
        await exchange.task

    assert shop.ran == ["not durable"]
    assert watched.inserts == []


async def test_concurrent_requests_share_a_commit(shop: Shop, watched: WatchedStore) -> None:
    async with shop.tasks:
        watched.hold()
        exchanges = [Exchange(shop.app, "POST", "/?count=2") for _ in range(50)]
        await wait_until(lambda: shop.served == 50)
        watched.release()
        for exchange in exchanges:
            await exchange.task
            assert exchange.status == 200

    # Those that came while the first transaction was written share the next one.
    assert len(watched.inserts) <= 2
    assert [size for sizes in watched.inserts for size in sizes] == [2] * 50
    assert len(shop.ran) == 150


@pytest.mark.parametrize("priority", [None, 1])
async def test_concurrent_requests_keep_their_contexts_apart(
    make_manager: Make, priority: int | None
) -> None:
    tasks = make_manager()
    app = FastAPI()
    tasks.install(app)
    number: ContextVar[int] = ContextVar("number")
    ran: list[tuple[int, int]] = []

    @tasks.task(persist=True, priority=priority)
    async def note(expected: int) -> None:
        ran.append((expected, number.get()))

    @app.post("/{own}")
    async def endpoint(own: int, background_tasks: BackgroundTasks) -> None:
        number.set(own)
        background_tasks.add_task(note, own)

    async with tasks:
        for exchange in [Exchange(app, "POST", f"/{own}") for own in range(20)]:
            await exchange.task
        await wait_until(lambda: len(ran) == 20)

    assert sorted(ran) == [(own, own) for own in range(20)]


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_store_that_cannot_commit_means_503(
    shop: Shop, watched: WatchedStore, mounted: bool
) -> None:
    watched.refuse = StoreFull("64 MiB must be free")
    app = shop.app
    if mounted:
        app = FastAPI()
        app.mount("/sub", shop.app)
    url = "/sub/?count=2" if mounted else "/?count=2"

    async with shop.tasks:
        exchange = Exchange(app, "POST", url)
        assert await exchange.answered() == 503
        await exchange.task
        assert exchange.headers["retry-after"] == "2"
        assert b"64 MiB must be free" in exchange.body

        assert shop.ran == []
        assert shop.tasks.store.list() == []
        watched.refuse = None
        await (again := Exchange(app, "POST", url)).task
        assert again.status == 200

    assert watched.inserts == [[2]]


def test_a_sub_app_without_handlers_answers_503_and_429(make_manager: Make) -> None:
    watched = WatchedStore()
    tasks = make_manager(watched, max_size=0)
    app, sub = FastAPI(), FastAPI()
    tasks.install(app)
    app.mount("/sub", sub)

    @tasks.task(persist=True)
    async def durable() -> None: ...

    @sub.post("/add")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(durable)

    with TestClient(app) as client:
        full = client.post("/sub/add")
        tasks.runtime.engine().queues.get("default").max_size = None
        watched.refuse = StoreFull("no space")
        unavailable = client.post("/sub/add")

    assert full.status_code == 429
    assert full.headers["retry-after"] == "1"
    assert "takes no new tasks" in full.json()["detail"]
    assert unavailable.status_code == 503
    assert unavailable.headers["retry-after"] == "2"


@pytest.mark.parametrize("first", ["handler", "install"])
def test_the_apps_own_handler_answers_instead(make_manager: Make, first: str) -> None:
    watched = WatchedStore()
    watched.refuse = StoreFull("no space")
    tasks = make_manager(watched)
    app = FastAPI()

    async def handle(request: Request, error: StoreUnavailable) -> PlainTextResponse:
        return PlainTextResponse("come back", 599)

    @tasks.task(persist=True)
    async def durable() -> None: ...

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(durable)

    if first == "install":
        tasks.install(app)
    app.exception_handler(StoreUnavailable)(handle)
    tasks.install(app)
    with TestClient(app) as client:
        answer = client.post("/")

    assert (answer.status_code, answer.text) == (599, "come back")


async def test_an_unavailable_store_is_tried_for_two_seconds(
    shop: Shop, watched: WatchedStore
) -> None:
    watched.refuse = StoreUnavailable("no connection")
    loop = asyncio.get_running_loop()

    async with shop.tasks:
        begun = loop.time()
        exchange = Exchange(shop.app, "POST", "/")
        assert await exchange.answered() == 503
        assert 1.0 < loop.time() - begun < 3.0
        await exchange.task

    assert shop.ran == []


async def test_a_store_that_comes_back_in_time_is_no_error(
    shop: Shop, watched: WatchedStore
) -> None:
    watched.refuse = StoreUnavailable("no connection")

    async with shop.tasks:
        exchange = Exchange(shop.app, "POST", "/")
        asyncio.get_running_loop().call_later(0.1, setattr, watched, "refuse", None)
        assert await exchange.answered() == 200
        await exchange.task

    assert shop.ran == ["durable 0", "not durable"]


def test_tasks_added_while_the_body_streams_are_stored_at_its_end(
    make_manager: Make, watched: WatchedStore
) -> None:
    tasks = make_manager(watched)
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=True)
    async def note(word: str) -> None:
        watched.events.append(word)

    async def body(background_tasks: BackgroundTasks) -> AsyncIterator[str]:
        yield "a"
        background_tasks.add_task(note, "late")
        background_tasks.add_task(note, "later")
        watched.events.append("streamed")
        yield "b"

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> StreamingResponse:
        background_tasks.add_task(note, "in time")
        return StreamingResponse(body(background_tasks))

    with TestClient(app) as client:
        assert client.post("/").text == "ab"

    assert watched.events == [
        "insert of 1",
        "streamed",
        "insert of 2",
        "in time",
        "late",
        "later",
    ]


class LosesReplies(Forwarding):
    """Commits, and says that it could not, once."""

    lost = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        answer = await call()
        if verb == "insert" and not self.lost:
            self.lost += 1
            raise StoreUnavailable("the connection broke")
        return answer


async def test_a_lost_reply_runs_nothing_twice(make_manager: Make) -> None:
    store = LosesReplies(MemoryBackend())
    shop = Shop(make_manager(store))

    async with shop.tasks:
        exchange = Exchange(shop.app, "POST", "/?count=2")
        assert await exchange.answered() == 200
        await exchange.task
        page = await shop.tasks.merged_list()

    assert store.lost == 1
    assert shop.ran == ["durable 0", "durable 1", "not durable"]
    assert len(page) == 3


async def test_a_defect_of_the_store_is_a_503_too(
    shop: Shop, watched: WatchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    watched.refuse = ZeroDivisionError("a defect")

    async with shop.tasks:
        exchange = Exchange(shop.app, "POST", "/")
        assert await exchange.answered() == 503
        await exchange.task

    assert "ZeroDivisionError" in caplog.text
    assert shop.ran == []


def test_arguments_that_cannot_be_stored_are_refused_at_once(tasks: TaskManager) -> None:
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(persist=True)
    async def durable(thing: object) -> None:
        ran.append("durable")

    async def plain(thing: object) -> None:
        ran.append(type(thing).__name__)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> str:
        background_tasks.add_task(plain, app)
        try:
            background_tasks.add_task(durable, app)
        except TaskArgumentError as error:
            return str(error)
        return "accepted"

    with TestClient(app) as client:
        answer = client.post("/").json()

    assert answer.startswith("Cannot store thing of task 'durable': found fastapi.")
    assert ran == ["FastAPI"]
    assert [record.func_name for record in tasks.store.list()] == ["plain"]


@pytest.mark.parametrize("setting", ["requeue_pending", "requeue_on_interrupt"])
def test_settings_that_imply_durability(
    make_manager: Make, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = WatchedStore()
    tasks = make_manager(watched, requeue_pending=setting == "requeue_pending")
    app = FastAPI()
    tasks.install(app)
    ran: list[str] = []

    @tasks.task(requeue_on_interrupt=setting == "requeue_on_interrupt")
    async def registered() -> None:
        ran.append("registered")

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(registered)
        background_tasks.add_task(ran.append, "unregistered")

    with TestClient(app) as client:
        assert client.post("/").is_success
        assert client.post("/").is_success

    assert ran == ["registered", "unregistered"] * 2
    assert watched.inserts == [[1], [1]]
    told = [each for each in caplog.records if "does not make it durable" in each.message]
    assert len(told) == (setting == "requeue_pending")


def test_a_durable_task_needs_a_backend_at_startup() -> None:
    tasks = TaskManager()
    app = FastAPI()
    tasks.install(app)

    @tasks.task(persist=True)
    async def durable() -> None: ...

    with pytest.raises(ConfigurationError, match="snapshot_db"), TestClient(app):
        pass


def test_a_durable_task_needs_a_running_engine(make_manager: Make) -> None:
    shop = Shop(make_manager())

    with pytest.raises(RuntimeError, match=r"with TestClient\(app\)") as refused:
        TestClient(shop.app).post("/")

    assert type(refused.value).__name__ == "EngineNotRunning"
    assert "root app" in str(refused.value)


async def test_post_then_get_shows_the_end(make_manager: Make, store: Any) -> None:
    tasks = make_manager(store)
    app = FastAPI()
    tasks.install(app)
    seen: list[str] = []

    @tasks.task(persist=True, retries=1)
    async def flaky() -> None:
        seen.append("ran")
        if len(seen) == 1:
            raise LookupError("first")

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(flaky)

    @app.get("/")
    async def look() -> list[tuple[TaskStatus, int]]:
        return [(record.status, record.retries_used) for record in await tasks.merged_list()]

    def use() -> Any:
        with TestClient(app) as client:
            assert client.post("/").is_success
            return client.get("/").json()

    assert await asyncio.to_thread(use) == [["success", 1]]
