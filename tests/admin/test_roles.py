"""Who may use which route: every route, every role, every method, as one table says."""

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient

from fastapi_taskflow import AuthUser, TaskAdmin, TaskManager
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.auth.access import Access
from fastapi_taskflow.admin.auth.authority import check_routes
from fastapi_taskflow.exceptions import ConfigurationError
from tests.admin.pages import Page
from tests.admin.people import OPENED_HERE, Directory, everybody, signed_in

# The least role that may use a route; "anybody" needs no session.
TABLE = {
    ("GET", "/tasks"): "viewer",
    ("GET", "/tasks/audit"): "viewer",
    ("GET", "/tasks/audit/verify"): "viewer",
    ("GET", "/tasks/export.csv"): "viewer",
    ("GET", "/tasks/functions"): "viewer",
    ("GET", "/tasks/health"): "viewer",
    ("GET", "/tasks/health/live"): "viewer",
    ("GET", "/tasks/instances"): "viewer",
    ("GET", "/tasks/metrics"): "viewer",
    ("GET", "/tasks/queues"): "viewer",
    ("GET", "/tasks/{task_id}"): "viewer",
    ("GET", "/tasks/{task_id}/arguments"): "operator",
    ("GET", "/tasks/{task_id}/logs"): "operator",
    ("POST", "/tasks/{task_id}/run-again"): "operator",
    ("POST", "/tasks/{task_id}/retry"): "operator",
    ("POST", "/tasks/{task_id}/cancel"): "operator",
    ("POST", "/tasks/bulk-retry"): "operator",
    ("POST", "/tasks/retry-failed"): "operator",
    ("GET", "/tasks/pauses"): "viewer",
    ("POST", "/tasks/pauses"): "operator",
    ("POST", "/tasks/pauses/resume"): "operator",
    ("GET", "/tasks/bulk"): "viewer",
    ("POST", "/tasks/bulk"): "operator",
    ("POST", "/tasks/bulk/preview"): "viewer",
    ("GET", "/tasks/bulk/{bulk_id}"): "viewer",
    ("POST", "/tasks/bulk/{bulk_id}/cancel"): "operator",
    ("POST", "/tasks/failures/{group}/retry"): "operator",
    ("GET", "/tasks/failures"): "viewer",
    ("GET", "/tasks/failures/{group}"): "viewer",
    ("GET", "/tasks/batches"): "viewer",
    ("GET", "/tasks/batches/{batch_id}"): "viewer",
    ("POST", "/tasks/batches/{batch_id}/cancel"): "operator",
    ("POST", "/tasks/batches/{batch_id}/retry"): "operator",
    ("POST", "/tasks/queues/{name}/pause"): "operator",
    ("POST", "/tasks/queues/{name}/drain"): "operator",
    ("POST", "/tasks/queues/{name}/resume"): "operator",
    ("GET", "/tasks/schedules"): "viewer",
    ("POST", "/tasks/schedules/{name}/run"): "operator",
    ("POST", "/tasks/schedules/{name}/pause"): "operator",
    ("POST", "/tasks/schedules/{name}/resume"): "operator",
    ("PATCH", "/tasks/queues/{name}"): "admin",
    ("DELETE", "/tasks/history"): "admin",
    ("GET", "/tasks/history/preview"): "viewer",
    ("GET", "/tasks/dashboard"): "viewer",
    ("GET", "/tasks/dashboard/stream"): "viewer",
    ("GET", "/tasks/dashboard/{place}"): "viewer",
    ("GET", "/tasks/dashboard/assets/{name}"): "anybody",
    ("GET", "/tasks/auth/login"): "anybody",
    ("POST", "/tasks/auth/login"): "anybody",
    ("POST", "/tasks/auth/logout"): "anybody",
}
ROLES = ["anybody", "viewer", "operator", "admin"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
VALUES = {
    "task_id": "nothing",
    "name": "default",
    "place": "tasks/nothing",
    "group": "0",
    "bulk_id": "0",
    "batch_id": "0",
}
STREAM = "/tasks/dashboard/stream"
# An answer without end would be read for a minute; this one is refused, after the guards.
QUERIES = {STREAM: "?status=none"}
BODIES: dict[str, dict[str, list[str]]] = {
    "/tasks/queues/{name}": {},
    "/tasks/bulk-retry": {"task_ids": []},
    "/tasks/{task_id}/run-again": {},
}


class Place:
    """A running app, and one open browser for each kind of visitor."""

    def __init__(self, app: FastAPI, directory: Directory) -> None:
        self.app = app
        self.removed = signed_in(app, "removed")
        del directory.roles["removed"]

    def visitor(self, who: str) -> TestClient:
        if who == "removed":
            return self.removed
        if who == "nobody":
            return TestClient(self.app, follow_redirects=False, headers=OPENED_HERE)
        # Anew each time: one of the routes signs out.
        return signed_in(self.app, who)


def contexts(app: FastAPI) -> list[RouteContext]:
    return [
        context
        for context in iter_route_contexts(app.routes)
        if (context.path_format or "").startswith("/tasks")
    ]


@pytest.fixture(scope="module")
def place():
    app, directory = FastAPI(), everybody()
    directory.roles["removed"] = "admin"
    TaskAdmin(app, TaskManager(), auth=directory, display_func_args=True)
    with TestClient(app):
        yield Place(app, directory)


def test_the_table_names_every_route_and_no_other(place):
    served = {
        (method, context.path_format)
        for context in contexts(place.app)
        for method in context.methods or ()
    }

    assert served == set(TABLE)


def test_every_route_is_behind_the_guards_in_their_order(place):
    for context in contexts(place.app):
        first, second, *_ = [each.call for each in context.dependant.dependencies]
        assert isinstance(first, Access), context.path
        assert second.__module__ == "fastapi_taskflow.admin.auth.authority", context.path


@pytest.mark.parametrize("who", ["nobody", "removed", "viewer", "operator", "admin"])
@pytest.mark.parametrize(("method", "path"), TABLE, ids=lambda part: part)
def test_each_role_may_use_what_the_table_says(place, who, method, path):
    needed = TABLE[method, path]
    role = "anybody" if who in ("nobody", "removed") else who

    address = path.format(**VALUES) + QUERIES.get(path, "")
    response = place.visitor(who).request(method, address, json=BODIES.get(path))

    status, to = response.status_code, response.headers.get("location", "")
    if ROLES.index(role) >= ROLES.index(needed):
        assert status not in (401, 403)
        assert (status, to.partition("?")[0]) != (303, "/tasks/auth/login")
    elif role != "anybody":
        assert status == 403
        assert repr(needed) in response.text or f"&#x27;{needed}&#x27;" in response.text
    elif path.startswith("/tasks/dashboard") and path != STREAM:
        assert (status, to.partition("?")[0]) == (303, "/tasks/auth/login")
    else:
        assert status == 401
        assert "Sign in first" in response.json()["detail"]


@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_leads_past_the_guards(place, method):
    paths = {path for _, path in TABLE}
    known = {(method, path) for method, path in TABLE} | {
        ("HEAD", path) for method, path in TABLE if method == "GET"
    }

    answers = {
        path: place.visitor("nobody").request(method, path.format(**VALUES))
        for path in paths
        if (method, path) not in known and "{task_id}" not in path
    }

    # A path may also be that of one task: `/tasks/queues` is, for a method without a route.
    assert {answer.status_code for answer in answers.values()} <= {405, 401}


def test_a_route_without_a_permission_cannot_be_made():
    router = APIRouter(route_class=AdminRoute)

    with pytest.raises(ConfigurationError, match="'/new' of TaskAdmin has no permission"):
        router.add_api_route("/new", lambda: None)


def test_a_route_of_another_class_is_found_out():
    router = APIRouter()
    router.add_api_route("/metrics", lambda: None)

    with pytest.raises(ConfigurationError, match="'/metrics' of TaskAdmin is no AdminRoute"):
        check_routes(router)


# Contents


CONTENTS = ("a private line", "a private argument")


@pytest.fixture
def task(open_desk):
    """A desk, and the id of a task with arguments and log lines."""

    def made(**settings):
        desk = open_desk(display_func_args=True, **settings)
        return desk, desk.ended(desk.tell, "a private line", note="a private argument").task_id

    return made


@pytest.mark.parametrize(
    ("who", "settings", "shown"),
    [
        ("viewer", {}, False),
        ("operator", {}, True),
        ("admin", {}, True),
        ("viewer", {"viewers_read_contents": True}, True),
        ("admin", {"read_only": True}, False),
        ("admin", {"read_only": True, "viewers_read_contents": True}, True),
    ],
)
def test_arguments_and_logs_are_hidden_from_viewers(task, who, settings, shown):
    desk, task_id = task(auth=everybody(), **settings)
    client = signed_in(desk.app, who)

    detail = client.get(f"/tasks/{task_id}").json()
    page = Page(client.get(f"/tasks/dashboard/tasks/{task_id}").text)

    assert page.settings["may"]["contents"] is shown
    logged = [line.partition(" ")[2] for line in detail["logs"]]
    assert logged == (["a private line"] if shown else [])
    assert (detail["args"], detail["kwargs"]) == (
        (["'a private line'"], {"note": "'a private argument'"}) if shown else (None, None)
    )
    assert detail["contents_hidden"] is not shown
    assert detail["log_levels"] == (["info"] if shown else [])
    assert client.get(f"/tasks/{task_id}/logs").status_code == (200 if shown else 403)
    assert "a private argument" not in str(client.get("/tasks").json())
    (listed,) = client.get("/tasks").json()
    assert listed["logs"] == detail["logs"]


# Pages


@pytest.mark.parametrize(
    ("who", "acts", "configures"),
    [("viewer", False, False), ("operator", True, False), ("admin", True, True)],
)
def test_the_page_is_told_what_the_role_may_do(open_desk, who, acts, configures):
    desk = open_desk(auth=everybody())

    told = Page(signed_in(desk.app, who).get("/tasks/dashboard").text).settings

    assert told["user"] == {"name": who, "role": who, "in_session": True}
    assert (told["may"]["act"], told["may"]["configure"]) == (acts, configures)


# Apps that say themselves who people are


def ask(app, method="GET", path="/tasks/metrics", **headers):
    with TestClient(app) as client:
        return client.request(method, path, headers=headers)


PAUSE = ("POST", "/tasks/queues/default/pause")
LIMIT = ("PATCH", "/tasks/queues/default")


def app_with(**settings) -> FastAPI:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), **settings)
    return app


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ({}, (200, 200, 422)),
        ({"role": "operator"}, (200, 200, 403)),
        ({"role": "viewer"}, (200, 403, 403)),
        ({"auth": None, "role": "viewer"}, (200, 403, 403)),
        ({"read_only": True}, (200, 403, 403)),
        ({"dependencies": [Depends(lambda: None)], "role": "viewer"}, (200, 403, 403)),
        ({"dependencies": [Depends(lambda: None)]}, (200, 200, 422)),
    ],
)
def test_without_users_everybody_has_one_role_and_it_is_admin(settings, statuses):
    app = app_with(**settings)

    answers = [ask(app), ask(app, *PAUSE), ask(app, *LIMIT)]

    assert tuple(answer.status_code for answer in answers) == statuses


def role_of(x_role: str = Header("")) -> object:
    return {"nobody": None, "ada": AuthUser("ada", "operator"), "7": 7}.get(x_role, x_role)


@pytest.mark.parametrize(
    ("given", "statuses"),
    [
        ("viewer", (200, 403, 403)),
        ("operator", (200, 200, 403)),
        ("admin", (200, 200, 422)),
        ("ada", (200, 200, 403)),
        ("nobody", (403, 403, 403)),
        ("", (403, 403, 403)),
        ("root", (403, 403, 403)),
        ("7", (403, 403, 403)),
    ],
)
def test_a_dependency_may_say_the_role_of_each_request(given, statuses):
    app = app_with(dependencies=[Depends(lambda: None)], role=Depends(role_of))

    answers = [
        ask(app, *route, **{"X-Role": given}) for route in (("GET", "/tasks/metrics"), PAUSE, LIMIT)
    ]

    assert tuple(answer.status_code for answer in answers) == statuses


def test_a_user_from_the_apps_dependency_is_named_in_the_audit():
    app = app_with(role=Depends(lambda: AuthUser("ada", "operator")))

    with TestClient(app) as client:
        client.post("/tasks/queues/default/pause")
        entries = client.get("/tasks/audit").json()

    assert [(entry["action"], entry["actor"]) for entry in entries] == [("pause", "ada")]
