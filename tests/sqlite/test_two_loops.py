"""One app on two event loops: a second test client, or a second server in a thread."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager


def test_what_is_asked_on_another_loop_than_the_engines_is_answered(tmp_path: Path) -> None:
    manager = TaskManager(snapshot_db=tmp_path / "tasks.db")
    app = FastAPI()
    TaskAdmin(app, manager)

    with TestClient(app):
        # Each request of a client that was not entered has an event loop of its own.
        other = TestClient(app)
        for number in range(20):
            path = "/tasks/queues/default"
            assert other.patch(path, json={"concurrency": number + 1}).status_code == 200
        assert other.get("/tasks/queues").json()[0]["concurrency"] == 20
