"""Routes that change something: retry, cancel, queues; and the audit of all that."""

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware

from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager, TaskStatus
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.words.ids import new_id

# Limits over all instances


def test_limits_of_all_instances_are_set_and_taken_away():
    tasks, app = TaskManager(queues={"mail": QueueConfig()}), FastAPI()
    TaskAdmin(app, tasks, auto_install=True)
    with TestClient(app) as client:
        wrong = client.patch("/tasks/queues/mail", json={"rate_limit": "fast"})
        given = {"rate_limit": "10/s", "global_concurrency": 3}
        client.patch("/tasks/queues/mail", json=given)
        left = client.patch("/tasks/queues/mail", json={"rate_limit": None}).json()

    assert wrong.status_code == 400
    assert "'100/m'" in wrong.json()["detail"]
    assert (left["rate_limit"], left["global_concurrency"]) == (None, 3)


# Retry


def test_a_failed_task_is_retried_as_a_new_one(desk):
    failed = desk.ended(desk.fail, 1, tags={"order": "7"}).task_id

    response = desk.client.post(f"/tasks/{failed}/retry")

    new = response.json()["task_id"]
    assert response.status_code == 200
    assert response.json()["task"]["task_id"] == new != failed
    assert response.json()["task"]["retry_of"] == failed
    assert response.json()["task"]["tags"] == {"order": "7"}
    assert desk.client.get(f"/tasks/{failed}").json()["retried_as"] == new
    assert desk.reached(new, TaskStatus.FAILED).args == (1,)


def test_a_second_retry_names_the_first(desk):
    failed = desk.ended(desk.fail).task_id
    first = desk.client.post(f"/tasks/{failed}/retry").json()["task_id"]

    second = desk.client.post(f"/tasks/{failed}/retry")

    assert second.status_code == 409
    assert second.json()["task_id"] == first
    assert first in second.json()["detail"]


@pytest.mark.parametrize("state", ["success", "running", "pending"])
def test_only_tasks_that_ended_without_success_are_retried(desk, state):
    task_id = {
        "success": lambda: desk.ended(desk.succeed).task_id,
        "running": lambda: desk.running(desk.stand),
        "pending": lambda: desk.add(desk.stand, delay=60.0),
    }[state]()

    response = desk.client.post(f"/tasks/{task_id}/retry")

    assert response.status_code == 400
    assert state in response.json()["detail"]


def test_a_task_of_an_unknown_function_is_not_retried(desk):
    task = NewTask(new_id(), "stays", None, "default", datetime.now(UTC))
    desk.call(desk.store.insert, [[task]])
    desk.client.post(f"/tasks/{task.task_id}/cancel")

    response = desk.client.post(f"/tasks/{task.task_id}/retry")

    assert response.status_code == 409
    assert "'stays' is not registered" in response.json()["detail"]


def test_a_task_whose_arguments_were_not_stored_is_not_retried(desk):
    failed = desk.ended(desk.fail, object()).task_id
    desk.client.get("/tasks")
    # As another instance sees it: without what this one remembers.
    desk.manager.store.drop(desk.manager.store.find(failed))

    response = desk.client.post(f"/tasks/{failed}/retry")

    assert response.status_code == 409
    assert "were not stored" in response.json()["detail"]


def test_a_retry_can_be_retried_with_the_same_arguments(desk):
    task_id = desk.ended(desk.fail, 1, to="ada").task_id
    for _ in range(3):
        task_id = desk.client.post(f"/tasks/{task_id}/retry").json()["task_id"]
        desk.reached(task_id, TaskStatus.FAILED)
        desk.client.get("/tasks")
        desk.manager.store.drop(desk.manager.store.find(task_id))

    shown = desk.client.get(f"/tasks/{task_id}").json()

    assert (shown["args"], shown["kwargs"]) == (["1"], {"to": "'ada'"})


def test_a_retry_into_a_full_queue_is_told_to_come_back(open_desk, store):
    desk = open_desk(store, queues={"small": QueueConfig(max_size=1)})
    failed = desk.ended(desk.fail, queue="small").task_id
    desk.client.post("/tasks/queues/small/pause")
    desk.add(desk.succeed, queue="small")

    response = desk.client.post(f"/tasks/{failed}/retry")

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert "'small' is full" in response.json()["detail"]


@pytest.mark.parametrize("act", ["retry", "cancel"])
def test_nothing_is_done_to_an_unknown_task(desk, act):
    response = desk.client.post(f"/tasks/nothing/{act}")

    assert (response.status_code, response.json()) == (404, {"detail": "Task not found"})
    assert desk.client.get("/tasks/audit").json() == []


# Cancel


def test_a_waiting_task_is_cancelled_at_once(desk):
    waiting = desk.add(desk.stand, delay=60.0)

    response = desk.client.post(f"/tasks/{waiting}/cancel")

    assert response.status_code == 200
    assert response.json()["task_id"] == waiting
    assert response.json()["task"]["status"] == "cancelled"


def test_a_running_task_is_only_asked(desk):
    running = desk.running(desk.refuse)

    response = desk.client.post(f"/tasks/{running}/cancel")

    assert response.status_code == 202
    assert response.json()["task_id"] == running
    assert response.json()["task"]["status"] == "running"


def test_a_running_task_that_stops_when_asked_is_cancelled(desk):
    running = desk.running(desk.stand)

    response = desk.client.post(f"/tasks/{running}/cancel")

    # It may have ended before the answer was written.
    assert (
        response.status_code
        == {"running": 202, "cancelled": 200}[response.json()["task"]["status"]]
    )
    assert desk.reached(running, TaskStatus.CANCELLED).task_id == running


def test_a_task_that_has_ended_is_not_cancelled(desk):
    done = desk.ended(desk.succeed).task_id

    response = desk.client.post(f"/tasks/{done}/cancel")

    assert response.status_code == 400
    assert "success" in response.json()["detail"]


# Queues


def limits(desk, name="mail"):
    (queue,) = [each for each in desk.client.get("/tasks/queues").json() if each["name"] == name]
    return queue["concurrency"], queue["max_size"], queue["paused"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"concurrency": 7}, (7, 50, False)),
        ({"max_size": 0}, (2, 0, False)),
        ({"concurrency": None}, (None, 50, False)),
        ({"concurrency": 1, "max_size": None}, (1, None, False)),
        ({}, (2, 50, False)),
    ],
)
def test_limits_are_set_and_those_left_out_stay(desk, body, expected):
    response = desk.client.patch("/tasks/queues/mail", json=body)

    answered = response.json()
    assert response.status_code == 200
    assert (answered["concurrency"], answered["max_size"], answered["paused"]) == expected
    assert limits(desk) == expected


@pytest.mark.parametrize(
    "body",
    [
        '{"concurrency": 0}',
        '{"concurrency": -1}',
        '{"concurrency": 1.5}',
        '{"concurrency": "3"}',
        '{"concurrency": true}',
        '{"concurrency": NaN}',
        '{"concurrency": Infinity}',
        '{"concurrency": 1e400}',
        '{"concurrency": [1]}',
        '{"max_size": -1}',
        '{"max_size": 99999999999999999999}',
        '{"max_size": 1' + "0" * 5_000 + "}",
        '{"paused": true}',
        '{"\\ud800": 1}',
        '{"concurrency": "\\ud800"}',
        "[]",
        "null",
        "",
        "{",
        "\ud800".encode("utf-8", "surrogatepass"),
        "[" * 10_000,
    ],
)
def test_limits_that_cannot_work_are_refused_with_a_reason(memory_desk, body):
    response = memory_desk.client.patch(
        "/tasks/queues/mail", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code in (400, 422), response.text
    assert response.json()["detail"]
    assert limits(memory_desk) == (2, 50, False)


def test_a_body_of_another_type_or_size_is_refused(memory_desk):
    patch = memory_desk.client.patch

    form = patch("/tasks/queues/mail", data={"concurrency": "3"})
    large = patch("/tasks/queues/mail", json={"concurrency": 3, "x": "y" * 20_000})

    assert form.status_code == 422
    assert large.status_code == 413
    assert limits(memory_desk) == (2, 50, False)


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", ""), ("POST", "/pause"), ("POST", "/resume")]
)
def test_an_unknown_queue_is_not_found_and_a_near_name_is_offered(desk, method, path):
    response = desk.client.request(
        method, f"/tasks/queues/mial{path}", json={"concurrency": 1} if method == "PATCH" else None
    )

    assert response.status_code == 404
    assert "Did you mean 'mail'?" in response.json()["detail"]


def test_a_paused_queue_starts_nothing_until_it_is_resumed(desk):
    paused = desk.client.post("/tasks/queues/mail/pause")
    waiting = desk.add(desk.succeed, queue="mail")
    other = desk.ended(desk.succeed)

    before = desk.client.get(f"/tasks/{waiting}").json()["status"]
    resumed = desk.client.post("/tasks/queues/mail/resume")

    assert (paused.json()["paused"], resumed.json()["paused"]) == (True, False)
    assert (before, other.status) == ("pending", TaskStatus.SUCCESS)
    assert desk.reached(waiting, TaskStatus.SUCCESS).queue == "mail"


def test_limits_hold_for_the_next_start(open_desk, tmp_path):
    def managed() -> tuple[TaskManager, FastAPI]:
        manager = TaskManager(
            snapshot_db=tmp_path / "tasks.db", queues={"mail": QueueConfig(concurrency=2)}
        )
        app = FastAPI()
        TaskAdmin(app, manager)
        return manager, app

    with TestClient(managed()[1]) as client:
        client.patch("/tasks/queues/mail", json={"concurrency": 9})
    with TestClient(managed()[1]) as client:
        queues = client.get("/tasks/queues").json()

    assert [queue["concurrency"] for queue in queues if queue["name"] == "mail"] == [9]


# Audit


def test_every_act_is_audited_newest_first(desk):
    failed = desk.ended(desk.fail).task_id
    waiting = desk.add(desk.stand, delay=60.0)
    post = desk.client.post
    new = post(f"/tasks/{failed}/retry").json()["task_id"]
    post(f"/tasks/{waiting}/cancel")
    desk.client.patch("/tasks/queues/mail", json={"concurrency": 4})
    post("/tasks/queues/mail/pause")
    post("/tasks/queues/mail/resume")

    entries = desk.client.get("/tasks/audit").json()

    assert [(each["action"], each["task_id"], each["detail"]) for each in entries] == [
        ("resume", "mail", {"paused": False}),
        ("pause", "mail", {"paused": True}),
        ("update_queue", "mail", {"before": {"concurrency": 2}, "after": {"concurrency": 4}}),
        ("cancel", waiting, {}),
        ("retry", failed, {"new_task_id": new}),
    ]
    assert {each["actor"] for each in entries} == {"anonymous"}
    assert len({each["entry_id"] for each in entries}) == 5
    assert all(each["timestamp"].endswith("+00:00") for each in entries)


def test_what_was_refused_is_not_audited(desk):
    done = desk.ended(desk.succeed).task_id

    desk.client.post(f"/tasks/{done}/retry")
    desk.client.post(f"/tasks/{done}/cancel")
    desk.client.patch("/tasks/queues/mail", json={"concurrency": 0})
    desk.client.patch("/tasks/queues/mail", json={})

    assert desk.client.get("/tasks/audit").json() == []


def test_the_audit_is_paged(desk):
    for _ in range(5):
        desk.client.post("/tasks/queues/mail/pause")

    seen = []
    url = "/tasks/audit?limit=2"
    while url:
        page = desk.client.get(url)
        seen.append([entry["entry_id"] for entry in page.json()])
        url = page.headers.get("link", "")[1:].partition(">")[0]

    assert [len(page) for page in seen] == [2, 2, 1]
    assert len({entry for page in seen for entry in page}) == 5


def test_the_audit_names_the_user_of_the_apps_authentication():
    class Everybody(AuthenticationBackend):
        async def authenticate(self, conn):
            name = conn.headers.get("x-user")
            return (AuthCredentials(), SimpleUser(name)) if name is not None else None

    manager, app = TaskManager(), FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=Everybody())
    TaskAdmin(app, manager)

    with TestClient(app) as client:
        for name in ("ada", "", "e\x1b[31mve"):
            client.post("/tasks/queues/default/pause", headers={"x-user": name})
        client.post("/tasks/queues/default/pause")
        entries = client.get("/tasks/audit").json()

    assert [entry["actor"] for entry in entries] == ["anonymous", "eve", "anonymous", "ada"]
