"""The stream that open pages follow: what changed, once, and nothing twice."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import httpx2
import pytest

from fastapi_taskflow.admin.site.following import Event, Follower
from fastapi_taskflow.admin.site.views import View, delta
from tests.support.servers import Server

APP = """
import asyncio
from pathlib import Path
from fastapi import FastAPI
from fastapi_taskflow import AuthUser, TaskAdmin, TaskAuthBackend, TaskManager, task_log

class Staff(TaskAuthBackend):
    def authenticate_user(self, username, password):
        return AuthUser(username, username) if password == username else None

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db")
TaskAdmin(app, tasks, auth=Staff())

@tasks.task(persist=True)
async def work(name: str) -> None:
    task_log("begun")
    while not Path(name).exists():
        await asyncio.sleep(0.05)
    task_log("done", level="warning")

@app.post("/add/{name}")
async def add(name: str) -> str:
    return (await tasks.enqueue(work, name)).task_id

@app.post("/release/{name}")
async def release(name: str) -> None:
    Path(name).touch()
"""

ADMIN, VIEWER = ("admin", "admin"), ("viewer", "viewer")


@contextmanager
def opened(server: Server, who=ADMIN, last: str = "", **query: str):
    """Events as they come: id, name, data."""
    headers = {"Last-Event-ID": last} if last else {}
    with (
        httpx2.Client(base_url=server.url, auth=who, timeout=60) as client,
        client.stream("GET", "/tasks/dashboard/stream", params=query, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        yield events(answer)


def events(answer: httpx2.Response) -> Iterator[tuple[str, str, dict[str, Any]]]:
    found: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            key, _, value = line.partition(": ")
            found[key] = value
        elif "event" in found:
            yield found.pop("id"), found.pop("event"), json.loads(found.pop("data"))


def post(server: Server, path: str) -> str:
    return str(httpx2.post(f"{server.url}{path}", timeout=60).json())


def test_a_list_is_told_of_new_and_changed_rows_and_goes_on_where_it_was(server: Server):
    last = ""
    with opened(server) as stream:
        assert next(stream)[1:] == ("hello", {})
        task_id = post(server, "/add/one")
        states = []
        while "running" not in states:
            last, name, data = next(stream)
            assert name == "rows"
            states += [row["status"] for row in data["changed"] if row["task_id"] == task_id]
    post(server, "/release/one")

    with opened(server, last=last) as stream:
        while "success" not in states:
            _, name, data = next(stream)
            assert name == "rows"
            states += [row["status"] for row in data["changed"] if row["task_id"] == task_id]
    with opened(server, last="00000000.7") as stream:
        assert next(stream)[1] == "resync"


def test_what_matches_no_more_is_gone(server: Server):
    task_id = post(server, "/add/two")
    with opened(server, status="running") as stream:
        next(stream)
        post(server, "/release/two")
        gone: list[str] = []
        while task_id not in gone:
            gone += next(stream)[2]["gone"]


def test_a_task_is_told_of_by_fields_and_new_lines(server: Server):
    task_id = post(server, "/add/three")
    with (
        opened(server, task_id=task_id) as stream,
        opened(server, VIEWER, task_id=task_id) as other,
    ):
        next(stream)
        next(other)
        post(server, "/release/three")
        lines: list[str] = []
        levels: list[str] = []
        fields: dict[str, Any] = {}
        while fields.get("status") != "success" or not any("done" in each for each in lines):
            data = next(stream)[2]
            fields |= data["fields"]
            lines += data["lines"]
            levels += data["levels"]
        seen = next(other)[2]

    assert fields["contents_hidden"] is False
    assert (lines[-1][20:], levels[-1]) == ("done", "warning")
    assert (seen["lines"], seen["fields"]["contents_hidden"]) == ([], True)


def test_it_is_for_those_who_may_look_and_head_ends(server: Server):
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        assert client.get("/tasks/dashboard/stream").status_code == 401
        assert client.head("/tasks/dashboard/stream", auth=ADMIN).status_code == 200
        wrong = client.get("/tasks/dashboard/stream?status=none", auth=ADMIN)

    assert wrong.status_code == 422


def test_views_are_told_of_by_the_parts_that_changed(server: Server):
    with opened(server, view="queues") as stream:
        next(stream)
        task_id = post(server, "/add/four")
        name, data = next(stream)[1:]
        post(server, "/release/four")

    assert name == "views"
    assert list(data) == ["queues"]
    queues = httpx2.get(f"{server.url}/tasks/queues", auth=ADMIN, timeout=60).json()
    assert set(data["queues"]["changed"]) <= {one["name"] for one in queues}
    assert data["queues"]["order"] is None
    with httpx2.Client(base_url=server.url, auth=ADMIN, timeout=60) as client:
        while client.get(f"/tasks/{task_id}").json()["end_time"] is None:
            pass
        wrong = client.get("/tasks/dashboard/stream?view=none")
    assert wrong.status_code == 422


VIEWS = get_args(View)


def test_every_view_can_be_followed_from_one_stream_and_resumed(server: Server):
    query = "&".join(f"view={name}" for name in VIEWS) + "&bucket=minute&since=1h"
    with (
        httpx2.Client(base_url=server.url, auth=ADMIN, timeout=60) as client,
        client.stream("GET", f"/tasks/dashboard/stream?{query}") as answer,
    ):
        stream = events(answer)
        next(stream)
        post(server, "/release/five")
        post(server, "/add/five")
        seen, last = set[str](), ""
        while not seen >= {"functions", "metrics", "queues"}:
            last, name, data = next(stream)
            assert name == "views"
            seen |= set(data)
    headers = {"Last-Event-ID": last}
    with (
        httpx2.Client(base_url=server.url, auth=ADMIN, timeout=60) as client,
        client.stream("GET", f"/tasks/dashboard/stream?{query}", headers=headers) as answer,
    ):
        post(server, "/add/five")
        assert next(events(answer))[1] == "views"


@pytest.mark.crash
def test_an_open_stream_does_not_hold_up_the_end_of_a_server(server: Server):
    with opened(server) as stream:
        next(stream)
        server.send(signal.SIGTERM)
        assert list(stream) == []
    server.ended()


class Told(Follower):
    async def look(self):
        return "rows", {}


async def test_who_reads_too_slowly_is_told_to_load_again():
    follower = Told(None)
    for _ in range(200):
        await follower.step()

    stream = follower.events(1, 1.0)
    found = [await anext(stream) for _ in range(2)]

    assert found == [None, []]
    assert follower.since(follower.last - 1) == [Event(200, "rows", "{}")]


def test_a_delta_has_what_is_new_or_other_and_the_order_where_that_is_new():
    before = {"a": 1, "b": 2}

    assert delta(before, {"a": 1, "b": 3}) == {"changed": {"b": 3}, "order": None}
    assert delta(before, {"c": 4, "a": 1}) == {"changed": {"c": 4}, "order": ["c", "a"]}
