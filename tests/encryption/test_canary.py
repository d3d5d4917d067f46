"""A secret goes through every path, and is looked for in everything that is left behind."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    FileLogger,
    InMemoryLogger,
    Sensitive,
    TaskAdmin,
    TaskManager,
    task_log,
)
from fastapi_taskflow.rules.redaction import MASK

CANARY = "canary-4242-do-not-leak"


class Row:
    """As of a mapper: attributes, and a text that tells them all."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.name = f"has {password}"

    def __repr__(self) -> str:
        return f"Row({self.password})"


# Beside what is secret by the name of its parameter.
DATA = {
    "api_key": CANARY,
    "n": 1,
    "passwords": [f"{CANARY}-1"],
    "headers": [(b"host", b"h"), (b"cookie", f"sid={CANARY}-2".encode())],
    "pairs": [["X-Hub-Signature", f"{CANARY}-3"]],
    "auth": ("user", f"{CANARY}-4"),
    "url": f"redis://:{CANARY}-5@host/0",
    "bearer": f"Bearer {CANARY}-6",
}


DATA_SHOWN = (
    f"{{'api_key': '{MASK}', 'n': 1, 'passwords': '{MASK}', "
    f"'headers': [(b'host', b'h'), (b'cookie', '{MASK}')], "
    f"'pairs': [['X-Hub-Signature', '{MASK}']], 'auth': '{MASK}', "
    f"'url': 'redis://:{MASK}@host/0', 'bearer': '{MASK}'}}"
)


def spread(user: str, password: str, note: Annotated[str, Sensitive], data: Any = None) -> str:
    """Logs, raises and returns what it got; the secrets must reach it whole."""
    assert password == note == CANARY
    task_log(f"{user} logs in with {password}", detail=[note], token="x", row=Row(note))  # noqa: S106
    task_log("\u2028".join(["given", repr(data)]), data=data, headers=data["headers"])
    if user == "fails":
        try:
            raise ConnectionError(f"https://{user}:{password}@host")
        except ConnectionError as exc:
            raise RuntimeError(f"rejected {data!r}") from exc
    return password


def leaks(folder: Path) -> list[str]:
    """The files that hold the canary, as it is."""
    return [
        path.name
        for path in folder.iterdir()
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


Routes = Callable[[TestClient], list[str]]


def everything(client: TestClient) -> list[str]:
    """What an admin can read."""
    ids = [one["task_id"] for one in client.get("/tasks").json()]
    paths = ["", "/metrics", "/queues", "/audit"]
    paths += [f"/{each}" for each in ids]
    return [client.get(f"/tasks{path}").text for path in paths]


@pytest.mark.parametrize("key", [None, "a secret that is long enough"])
@pytest.mark.parametrize("persist", [True, False])
def test_a_secret_is_found_in_nothing_that_is_left_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str | None, persist: bool
):
    caplog.set_level(logging.DEBUG)
    seen = InMemoryLogger()
    manager = TaskManager(
        snapshot_db=tmp_path / "tasks.db",
        encrypt_args_key=key,
        loggers=[seen, FileLogger(str(tmp_path / "tasks.log"), log_lifecycle=True)],
    )
    func = manager.task(persist=persist, retries=1)(spread)
    app = FastAPI()
    TaskAdmin(app, manager, auto_install=True, display_func_args=True)

    @app.post("/go/{user}")
    def go(user: str, background_tasks: BackgroundTasks) -> None:
        tags = {"token": CANARY, "user": f"{user} {CANARY}"}
        background_tasks.add_task(func, user, CANARY, note=CANARY, data=DATA, tags=tags)  # type: ignore[call-arg]

    with TestClient(app) as client:
        for user in ("fails", "succeeds"):
            assert client.post(f"/go/{user}").status_code == 200
        answers = everything(client)
        during = leaks(tmp_path)
        failed = next(one for one in client.get("/tasks").json() if one["status"] == "failed")
        detail = client.get(f"/tasks/{failed['task_id']}").json()
        assert client.post(f"/tasks/{failed['task_id']}/retry").status_code == 200
        answers += everything(client)

    assert [answer for answer in answers if CANARY in answer] == []
    found = during + leaks(tmp_path)
    # What is not encrypted is in the database: a durable task must get its arguments back.
    assert [name for name in found if key or not name.startswith("tasks.db")] == []
    assert CANARY not in caplog.text
    assert CANARY not in repr([seen.log_events, seen.lifecycle_events])
    assert detail["error"].startswith(f"rejected {{'api_key': '{MASK}', 'n': 1, 'passwords': [")
    assert not any("\u2028" in line for line in detail["logs"])
    # Encrypted ones are not shown at all.
    shown = detail["kwargs"].get("data", "") if key is None else DATA_SHOWN
    assert shown == DATA_SHOWN
    assert f"https://fails:{MASK}@host" in detail["stacktrace"]
    assert any(f"fails logs in with {MASK}" in line for line in detail["logs"])
    assert detail["tags"] == {"token": MASK, "user": f"fails {MASK}"}


def test_arguments_are_shown_with_their_secrets_masked(tmp_path: Path):
    manager = TaskManager(redact=["iban"])
    app = FastAPI()
    TaskAdmin(app, manager, display_func_args=True)

    @manager.task()
    async def pay(amount: int, iban: str, **more: object) -> None: ...

    with TestClient(app) as client:
        portal = client.portal
        assert portal is not None
        task_id = portal.call(_enqueue, manager, pay, CANARY)
        shown = client.get(f"/tasks/{task_id}").json()

    assert (shown["args"], shown["kwargs"]) == (
        ["5", f"'{MASK}'"],
        {"data": f"{{'password': '{MASK}', 'iban': '{MASK}'}}"},
    )


def test_a_function_that_is_not_known_here_shows_no_positional_argument(tmp_path: Path):
    async def log_in(user: str, password: str, **more: object) -> None: ...

    async def add(manager: TaskManager) -> str:
        func = manager.task(persist=True)(log_in)
        async with manager:
            added = await manager.enqueue(func, "ada", CANARY, delay=3600, n=1, token=CANARY)
        return added.task_id

    task_id = asyncio.run(add(TaskManager(snapshot_db=tmp_path / "tasks.db")))
    app = FastAPI()
    TaskAdmin(app, TaskManager(snapshot_db=tmp_path / "tasks.db"), display_func_args=True)

    with TestClient(app) as client:
        shown = client.get(f"/tasks/{task_id}").json()

    assert shown["args"] == [f"'{MASK}'", f"'{MASK}'"]
    assert shown["kwargs"] == {"n": "1", "token": f"'{MASK}'"}


def test_the_parameters_of_a_function_that_is_not_registered_are_known_while_it_runs() -> None:
    manager = TaskManager()
    app = FastAPI()
    TaskAdmin(app, manager, auto_install=True, display_func_args=True)
    held = threading.Event()

    def log_in(user: str, password: str) -> None:
        held.wait(60)

    @app.post("/go")
    def go(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(log_in, "ada", CANARY, eager=True)  # type: ignore[call-arg]

    with TestClient(app) as client:
        client.post("/go")
        (task,) = client.get("/tasks").json()
        shown = client.get(f"/tasks/{task['task_id']}").json()
        held.set()

    assert shown["args"] == ["'ada'", f"'{MASK}'"]


async def _enqueue(manager: TaskManager, func: Callable[..., Any], secret: str) -> str:
    call = manager.call(func, 5, secret, data={"password": "x", "iban": secret})
    return (await manager.enqueue(call)).task_id
