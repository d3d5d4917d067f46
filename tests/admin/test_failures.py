"""Failures by group over HTTP, on the pages, and from a shell."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.cli.program import app as cli
from fastapi_taskflow.testing import drain


def breaks(kind: str) -> None:
    raise {"value": ValueError, "key": KeyError}[kind](f"it was <{kind}>")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    tasks.task(persist=True, title="{kind}")(breaks)
    app = FastAPI()
    TaskAdmin(app, tasks)

    @app.post("/{kind}")
    async def start(kind: str) -> str:
        return (await tasks.enqueue(breaks, kind)).task_id

    with TestClient(app) as client:
        for kind in ("value", "key", "value"):
            client.post(f"/{kind}")
        drain(tasks)
        yield client


def test_groups_are_listed_with_their_trend_and_an_example(client: TestClient) -> None:
    found = client.get("/tasks/failures").json()

    assert sorted((one["kind"], one["count"], one["recent"]) for one in found) == [
        ("KeyError", 1, 1),
        ("ValueError", 2, 2),
    ]
    (value,) = (one for one in found if one["kind"] == "ValueError")
    assert [bar["count"] for bar in value["trend"]] == [0] * 23 + [2]
    assert value["example"]["error"] == "it was <value>"
    assert value["example"]["title"] == "value"
    assert value["to_retry"] is None
    days = client.get("/tasks/failures?trend=day&limit=1&since=1h&func_name=breaks").json()
    assert [len(one["trend"]) for one in days] == [30]
    assert client.get("/tasks/failures?func_name=other").json() == []


def test_an_example_has_no_error_of_another_group(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db")
    kinds = iter(["value", "key"])

    @tasks.task(persist=True, retries=1)
    def changes() -> None:
        breaks(next(kinds))

    app = FastAPI()
    TaskAdmin(app, tasks)

    @app.post("/")
    async def start() -> None:
        await tasks.enqueue(changes)

    with TestClient(app) as client:
        client.post("/")
        drain(tasks)
        found = client.get("/tasks/failures").json()

    assert {one["kind"]: one["example"]["error"] for one in found} == {
        "KeyError": "'it was <key>'",
        "ValueError": None,
    }


def test_groups_are_searched_by_type_or_function_and_counted(client: TestClient) -> None:
    def found(query: str) -> tuple[list[str], str]:
        answer = client.get(f"/tasks/failures?{query}")
        return [one["kind"] for one in answer.json()], answer.headers["X-Total-Count"]

    assert found("q=keyERR") == (["KeyError"], "1")
    assert found("q=break&limit=1")[1] == "2"
    assert found("q=nothing") == ([], "0")


def test_a_group_says_how_many_could_be_retried_and_leads_to_its_tasks(client: TestClient) -> None:
    (value,) = (one for one in client.get("/tasks/failures").json() if one["count"] == 2)
    group = value["group"]
    tasks = client.get(f"/tasks?failure={group}").json()
    # The retry would fail in the same way.
    client.post("/tasks/queues/default/pause")
    client.post(f"/tasks/{tasks[0]['task_id']}/retry")

    assert [one["failure"] for one in tasks] == [group] * 2
    assert client.get(f"/tasks/failures/{group}").json()["to_retry"] == "1"
    assert client.get("/tasks/failures/0123").status_code == 404


def test_a_shell_lists_and_shows_them(client: TestClient, tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "tasks.db")]
    found = CliRunner().invoke(cli, ["failures", "list", *store, "--json"])
    (value,) = (one for one in json.loads(found.stdout) if one["count"] == 2)

    shown = CliRunner().invoke(cli, ["failures", "show", value["group"], *store])
    listed = CliRunner().invoke(cli, ["failures", "list", *store, "--since", "1h"])
    wrong = CliRunner().invoke(cli, ["failures", "list", *store, "--since", "soon"])

    assert "2, 2 of them within 24 h" in shown.stdout
    assert "ValueError" in listed.stdout
    assert wrong.exit_code == 2


def test_a_group_is_retried_over_http_and_from_a_shell(client: TestClient, tmp_path: Path) -> None:
    (key,) = (one for one in client.get("/tasks/failures").json() if one["count"] == 1)
    body = {"action": "retry", "filter": {"failure": key["group"], "since": "1h"}}
    store = ["--store", str(tmp_path / "tasks.db")]
    client.post("/tasks/queues/default/pause")

    preview = client.post("/tasks/bulk/preview", json=body).json()
    dry = CliRunner().invoke(cli, ["failures", "retry", key["group"], *store, "--dry-run"])
    early = client.post(f"/tasks/failures/{key['group']}/retry", params={"before": "1h"})
    late = CliRunner().invoke(cli, ["failures", "retry", key["group"], *store, "--before", "1h"])
    never = CliRunner().invoke(cli, ["bulk", "retry", *store, "--before", "soon"])
    begun = client.post(f"/tasks/failures/{key['group']}/retry")
    bulk_id = begun.json()["bulk_id"]
    while (found := client.get(f"/tasks/bulk/{bulk_id}").json())["status"] == "running":
        pass
    listed, *others = client.get("/tasks/bulk").json()
    shown = CliRunner().invoke(cli, ["bulk", "show", bulk_id, *store, "--json"])

    at = preview.pop("at")
    assert preview == {"count": 1, "more": False}
    assert "to 1 tasks; nothing was done" in dry.stdout
    assert "--before 20" in dry.stdout
    assert (early.status_code, late.exit_code, never.exit_code) == (200, 0, 2)
    assert {one["found"] for one in others} == {0}
    assert begun.status_code == 200
    assert (found["found"], found["done"], found["refused"]) == (1, 1, 0)
    assert json.loads(shown.stdout) == found
    assert listed == found
    assert client.post(f"/tasks/bulk/{bulk_id}/cancel").json() == found
    assert client.post("/tasks/bulk", json={"action": "cancel", "filter": {}}).status_code == 400
    bound = client.post("/tasks/bulk", json={**body, "before": at}).json()
    assert bound["filter"]["until"] == at
    assert client.get("/tasks/bulk/none").status_code == 404
    assert client.post("/tasks/failures/none/retry").status_code == 404
