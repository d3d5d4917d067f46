"""People without an account follow one task, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    ConfigurationError,
    MemoryBackend,
    TaskManager,
    get_task_context,
    task_log,
)
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.errors import StoreUnavailable
from fastapi_taskflow.rules.statustokens import Subject, is_valid, token
from fastapi_taskflow.testing import drain
from tests.support.waiting import wait_until

HIDDEN = "hunter2hunter2"


def shop(path: Path, *, show_logs: bool = False) -> tuple[FastAPI, TaskManager]:
    tasks = TaskManager(snapshot_db=path)
    app = FastAPI()
    tasks.install(app)
    app.include_router(tasks.status_router(show_logs=show_logs), prefix="/v1")

    @tasks.task(persist=True)
    def work(password: str) -> str:
        context = get_task_context()
        assert context is not None
        for number in (1, 2):
            context.progress(number, 2, f"step {number} {password}")
            context.emit({"file": number, "by": password})
        task_log("a line")
        if password.startswith("wrong"):
            raise ValueError("not for everybody")
        return "not for everybody"

    @app.post("/imports")
    async def start(request: Request, password: str, expires: float = 60.0) -> Any:
        task_id = (await tasks.enqueue(work, password)).task_id
        return await tasks.status_accepted(request, task_id, expires)

    return app, tasks


@pytest.fixture(params=[False, True], ids=["quiet", "with logs"])
def show_logs(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def events(client: TestClient, url: str, **headers: str) -> Iterator[tuple[str, Any]]:
    with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


def test_a_page_follows_its_task_to_the_end(tmp_path: Path, show_logs: bool) -> None:
    app, tasks = shop(tmp_path / "tasks.db", show_logs=show_logs)
    with TestClient(app) as client:
        answer = client.post("/imports", params={"password": HIDDEN})
        told = list(events(client, answer.json()["events"]))
        drain(tasks, timeout=60)
        status = client.get(answer.headers["location"])
        rest = list(events(client, answer.json()["events"], **{"last-event-id": "1"}))

    values = [{"file": n, "by": "[redacted]"} for n in (1, 2)]
    progress = {"done": 2, "total": 2, "message": "step 2 [redacted]"}
    state = {"status": "success", "over": True, "progress": progress}
    assert answer.status_code == 202
    assert answer.headers["location"].startswith("http://testserver/v1/status/")
    assert [data for name, data in told if name == "emitted"] == values
    assert told[-1] == ("end", state)
    assert [data for name, data in rest if name == "emitted"] == values[1:]
    shown = state | {"emitted": values}
    line = [data[20:] for name, data in told if name == "log"]
    assert line == (["a line"] if show_logs else [])
    found = status.json()
    assert [log[20:] for log in found.pop("logs", [])] == line
    assert found == shown
    assert HIDDEN not in f"{told}{status.text}"


class Away(Forwarding):
    """Does not answer for a few reads of tasks."""

    misses = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[Any]) -> Any:
        if verb == "get" and self.misses > 0:
            self.misses -= 1
            raise StoreUnavailable("it is away")
        return await call()


def test_an_outage_of_the_store_is_no_end_of_what_a_page_follows() -> None:
    store = Away(MemoryBackend())
    tasks = TaskManager(snapshot_backend=store)
    app = FastAPI()
    tasks.install(app)
    app.include_router(tasks.status_router())

    @tasks.task(persist=True)
    async def work() -> None: ...

    @app.post("/imports")
    async def start(request: Request) -> Any:
        task_id = (await tasks.enqueue(work, delay=600)).task_id
        return await tasks.status_accepted(request, task_id, 60)

    with TestClient(app) as client:
        answer = client.post("/imports").json()
        followed = events(client, answer["events"])
        first = next(followed)
        store.misses = 2
        assert client.portal is not None
        client.portal.call(wait_until, lambda: store.misses == 0)
        client.portal.call(tasks.cancel, answer["task_id"])
        *_, last = followed

    assert first[1]["status"] == "pending"
    assert (last[0], last[1]["status"]) == ("end", "cancelled")


def test_no_error_and_no_result_is_shown(tmp_path: Path) -> None:
    app, tasks = shop(tmp_path / "tasks.db")
    with TestClient(app) as client:
        urls = [
            client.post("/imports", params={"password": word}).headers["location"]
            for word in ("right", "wrong")
        ]
        drain(tasks, timeout=60)
        shown = [client.get(url) for url in urls]

    assert [each.json()["status"] for each in shown] == ["success", "failed"]
    assert not any("not for everybody" in each.text for each in shown)


def test_a_token_is_good_for_its_task_on_every_instance_and_after_a_restart(
    tmp_path: Path,
) -> None:
    app, _ = shop(tmp_path / "tasks.db")
    other, _ = shop(tmp_path / "tasks.db")
    with TestClient(app) as client, TestClient(other) as elsewhere:
        urls = [client.post("/imports", params={"password": "x"}).headers["location"] for _ in "ab"]
        seen = [elsewhere.get(url).status_code for url in urls]
        address, query = urls[0].split("?")
        date, _, signature = query.removeprefix("token=").partition(".")
        forged = [
            f"{address}?token={word}"
            for word in (
                urls[1].split("=")[1],
                f"{int(date, 16) + 1:x}.{signature}",
                f"{date}.{signature[:-1]}",
                date,
                "%00.%ff",
                "x" * 200,
            )
        ]
        refused = {url: elsewhere.get(url).status_code for url in forged}
        unnamed = elsewhere.get(address).status_code
    with TestClient(shop(tmp_path / "tasks.db")[0]) as later:
        again = [later.get(url).status_code for url in urls]

    assert (seen, again, unnamed) == ([200, 200], [200, 200], 422)
    assert set(refused.values()) == {403}


def test_a_token_ends() -> None:
    made = token(b"key", Subject("task"), 1_000)

    assert is_valid([b"newer", b"key"], Subject("task"), made, 999.0)
    assert not is_valid([b"newer", b"key"], Subject("task"), made, 1_000.0)
    assert not is_valid([b"newer"], Subject("task"), made, 999.0)
    assert not is_valid([b"key"], Subject("other"), made, 999.0)
    assert not is_valid([b"key"], Subject("task", is_batch=True), made, 999.0)


@pytest.mark.parametrize("expires", [0, -1, 31 * 86_400, float("nan"), "1h"])
async def test_a_span_that_no_token_has_is_refused(expires: Any) -> None:
    async with TaskManager() as tasks:
        with pytest.raises(ConfigurationError, match="expires"):
            await tasks.status_token("018f0000-0000-7000-8000-000000000001", expires)


def test_its_paths_are_in_the_schema(tmp_path: Path) -> None:
    app, _ = shop(tmp_path / "tasks.db")

    paths = app.openapi()["paths"]

    assert "/v1/status/{task_id}" in paths
    assert "/v1/status/{task_id}/events" in paths
    assert "/v1/status/batches/{batch_id}" in paths
    assert "/v1/status/batches/{batch_id}/events" in paths


def test_a_client_that_comes_back_gets_no_line_twice_and_loses_none(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app = FastAPI()
    tasks.install(app)
    app.include_router(tasks.status_router(show_logs=True))

    @tasks.task(persist=True)
    def talk() -> None:
        for number in range(1_500):
            task_log(f"line {number}")

    @app.post("/talks")
    async def start(request: Request) -> Any:
        return await tasks.status_accepted(request, (await tasks.enqueue(talk)).task_id)

    with TestClient(app) as client:
        url = client.post("/talks").json()["events"]
        drain(tasks, timeout=60)
        whole = [data for name, data in events(client, url) if name == "log"]
        after_fifty = [
            data for name, data in events(client, url, **{"last-event-id": "0.50"}) if name == "log"
        ]
        after_all = [
            data
            for name, data in events(client, url, **{"last-event-id": "0.1499"})
            if name == "log"
        ]

    assert "earlier lines were dropped" in whole[0]
    assert whole[-1].endswith("line 1499")
    assert after_fifty == whole
    assert [line.split()[-1] for line in after_all] == ["1499"]


def test_half_a_character_is_no_status_that_cannot_be_read(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app = FastAPI()
    tasks.install(app)
    app.include_router(tasks.status_router())

    @tasks.task(persist=True)
    async def work() -> None:
        context = get_task_context()
        assert context is not None
        context.emit({"half \ud800": ["\udc00", "\\ud800", "whole \U0001f600"]})

    @app.post("/imports")
    async def start(request: Request) -> Any:
        return await tasks.status_accepted(request, (await tasks.enqueue(work)).task_id)

    with TestClient(app) as client:
        answer = client.post("/imports")
        drain(tasks, timeout=60)
        status = client.get(answer.headers["location"])
        told = list(events(client, answer.json()["events"]))

    wanted = {"half ?": ["?", "\\ud800", "whole \U0001f600"]}
    assert status.status_code == 200
    assert status.json()["emitted"] == [wanted]
    assert ("emitted", wanted) in told


@pytest.mark.parametrize("spelling", [" {}", "0{}", "+{}", "0x{}", "\uff11{}"])
def test_a_token_has_one_spelling(spelling: str) -> None:
    date, _, signature = token(b"k" * 32, Subject("task"), 0xABCDEF).partition(".")
    other = f"{spelling.format(date)}.{signature}"

    assert is_valid([b"k" * 32], Subject("task"), f"{date}.{signature}", 0)
    assert not is_valid([b"k" * 32], Subject("task"), other, 0)


def importing(path: Path, prefix: str = "/status", app: FastAPI | None = None) -> FastAPI:
    """An app with imports of rows, of which the last fails."""
    tasks = TaskManager(snapshot_db=path)
    app = FastAPI() if app is None else app
    tasks.init_app(app)
    app.include_router(tasks.status_router(prefix))

    @tasks.task()
    async def row(number: int) -> None:
        if number == 3:
            raise ValueError("not for everybody")

    @app.post(f"{prefix}-imports")
    async def start(request: Request) -> Any:
        return await tasks.status_accepted(
            request, await tasks.batch([tasks.call(row, n) for n in range(4)])
        )

    @app.post(f"{prefix}-rows")
    async def one(request: Request) -> Any:
        return await tasks.status_accepted(request, (await tasks.enqueue(row, 0)).task_id)

    @app.get(f"{prefix}-tokens/{{batch_id}}")
    async def tokens(batch_id: str) -> list[str]:
        found = await tasks.batches.get(batch_id)
        return [await tasks.status_token(found), await tasks.status_token(batch_id)]

    return app


def test_a_page_follows_its_batch_to_the_end(tmp_path: Path) -> None:
    with TestClient(importing(tmp_path / "tasks.db")) as client:
        answer = client.post("/status-imports")
        told = list(events(client, answer.json()["events"]))
        status = client.get(answer.headers["location"])

    state = {"over": True, "progress": {"done": 4, "total": 4, "message": None}}
    state |= {"pending": 0, "running": 0, "success": 3, "failed": 1, "cancelled": 0}
    assert answer.status_code == 202
    assert told[-1] == ("end", state)
    assert {name for name, _ in told[:-1]} == {"status"}
    assert status.json() == state
    assert status.headers["cache-control"] == "no-store"


def test_tokens_of_tasks_are_none_of_batches(tmp_path: Path) -> None:
    with TestClient(importing(tmp_path / "tasks.db")) as client:
        batch = client.post("/status-imports").json()["batch_id"]
        task = client.post("/status-rows").json()
        of_batch, of_task = client.get(f"/status-tokens/{batch}").json()
        own = task["status"].partition("token=")[2]
        asked = {
            f"batches/{batch}?token={of_batch}": 200,
            f"batches/{batch}?token={of_task}": 403,
            f"batches/{batch}/events?token={of_task}": 403,
            f"batches/{batch}?token={own}": 403,
            f"batches/{task['task_id']}?token={own}": 403,
            f"{batch}?token={of_batch}": 403,
            # There is no such task.
            f"{batch}?token={of_task}": 404,
        }
        answers = {path: client.get(f"/status/{path}").status_code for path in asked}

    assert answers == asked


def test_two_managers_of_an_app_each_show_their_own(tmp_path: Path) -> None:
    app = importing(tmp_path / "a.db", "/a")
    importing(tmp_path / "b.db", "/b", app)
    with TestClient(app) as client:
        urls = [
            client.post(f"/{name}-{what}").headers["location"]
            for name in "ab"
            for what in ("rows", "imports")
        ]
        seen = [client.get(url).status_code for url in urls]

    found = [url.removeprefix("http://testserver") for url in urls]
    assert [path[:3] for path in found] == ["/a/", "/a/", "/b/", "/b/"]
    assert ["/batches/" in path for path in found] == [False, True, False, True]
    assert seen == [200] * 4


def test_operation_ids_are_the_same_in_every_process(tmp_path: Path) -> None:
    paths = importing(tmp_path / "tasks.db").openapi()["paths"]

    found = [paths[path]["get"]["operationId"] for path in paths if path.startswith("/status/")]

    assert sorted(found) == [
        "batch_events_status_batches__batch_id__events_get",
        "events_status__task_id__events_get",
        "taskflow_batch_status_status_batches__batch_id__get",
        "taskflow_status_status__task_id__get",
    ]


def test_without_its_routes_an_app_says_what_to_include(tmp_path: Path) -> None:
    tasks, other = TaskManager(snapshot_db=tmp_path / "tasks.db"), TaskManager()
    app = FastAPI()
    tasks.install(app)
    app.include_router(other.status_router())

    @app.post("/imports")
    async def start(request: Request) -> str:
        with pytest.raises(ConfigurationError) as told:
            await tasks.status_accepted(request, "018f0000-0000-7000-8000-000000000001")
        return str(told.value)

    with TestClient(app) as client:
        assert "include_router(task_manager.status_router())" in client.post("/imports").json()
