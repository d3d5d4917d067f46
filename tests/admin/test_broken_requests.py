"""What clients break off or forge leaves one plain line in the log, and no trace."""

import asyncio
import logging
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from fastapi_taskflow import TaskAdmin, TaskManager
from tests.admin.people import everybody

NASTY = "1.2.3.4\x1b[31m\r\nERROR forged\u2028\u202e"


async def ask(app: FastAPI, path: str, incoming: list[Message], client: str) -> list[Message]:
    """The messages that an app sends as an answer to these."""
    sent: list[Message] = []
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": (client, 4711),
        "server": ("localhost", 80),
        "state": {},
    }

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def app_of(manager: TaskManager) -> FastAPI:
    app = FastAPI()
    TaskAdmin(app, manager, auth=everybody())
    return app


@pytest.mark.parametrize("begun", [0, 1])
async def test_a_sign_in_that_is_broken_off_logs_one_line(caplog, begun):
    manager = TaskManager()
    app = app_of(manager)
    part: list[Message] = [{"type": "http.request", "body": b'{"user', "more_body": True}]

    async with manager:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            await ask(app, "/tasks/auth/login", part[:begun], "192.0.2.1")

    (told,) = [one for one in caplog.records if "left before" in one.getMessage()]
    assert told.exc_info is None
    assert "Traceback" not in caplog.text


async def test_no_control_character_of_a_client_reaches_log_or_audit(caplog):
    manager = TaskManager()
    app = app_of(manager)
    body = b'{"username": "admin", "password": "wrong"}'

    async with manager:
        with caplog.at_level(logging.DEBUG):
            await asyncio.gather(
                *(
                    ask(
                        app,
                        "/tasks/auth/login",
                        [{"type": "http.request", "body": body, "more_body": False}],
                        NASTY,
                    )
                    for _ in range(12)
                )
            )
        entries = (await manager.operations.audit(limit=100))[0]

    lines = [one.getMessage() for one in caplog.records]
    assert any("Too many tries" in line for line in lines)
    assert all(line.isprintable() for line in lines if "1.2.3.4" in line)
    assert all(str(entry.detail.get("network", "")).isprintable() for entry in entries)
