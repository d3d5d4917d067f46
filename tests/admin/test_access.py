"""Who gets in: the rule for local clients, the app's own dependencies, other sites' pages."""

import logging

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.admin.auth.access import Access
from fastapi_taskflow.exceptions import ConfigurationError
from tests.admin.pages import Page

STRANGER = ("203.0.113.5", 4711)
LOCAL = ("127.0.0.1", 4711)
VALUES = {
    "task_id": "nothing",
    "name": "default",
    "place": "tasks/nothing",
    **dict.fromkeys(["group", "bulk_id", "batch_id"], "0"),
}


def app_with(**settings) -> FastAPI:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), display_func_args=True, **settings)
    return app


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that TaskAdmin added."""
    return [
        (method, context.path_format.format(**VALUES))
        for context in iter_route_contexts(app.routes)
        if context.path_format is not None and context.path_format.startswith("/tasks")
        for method in context.methods or ()
    ]


# Apps that many tests ask, and none changes.
DEFAULT = app_with()
OPEN = app_with(auth=None)
CHECKED = app_with(dependencies=[Depends(lambda: None)])
READ_ONLY = app_with(read_only=True)
ROUTES = routes(DEFAULT)


def ask(app, peer=LOCAL, host="localhost", method="GET", path="/tasks", **headers):
    """One request. No engine runs, so whoever is admitted gets 503 where one is needed."""
    client = TestClient(app, base_url=f"http://{host}", client=peer, follow_redirects=False)
    return client.request(method, path, headers=headers.pop("extra", None) or headers)


def page(app, **place) -> str:
    """The dashboard's page, with an engine."""
    with TestClient(app):
        response = ask(app, path="/tasks/dashboard", **place)
    assert response.status_code == 200
    return str(response.text)


def test_the_walk_finds_every_route():
    assert {path for _, path in ROUTES} == {
        "/tasks",
        "/tasks/audit",
        "/tasks/audit/verify",
        "/tasks/history",
        "/tasks/history/preview",
        "/tasks/batches",
        "/tasks/batches/0",
        "/tasks/batches/0/cancel",
        "/tasks/batches/0/retry",
        "/tasks/bulk",
        "/tasks/bulk/0",
        "/tasks/bulk/0/cancel",
        "/tasks/bulk/preview",
        "/tasks/bulk-retry",
        "/tasks/export.csv",
        "/tasks/failures",
        "/tasks/failures/0",
        "/tasks/failures/0/retry",
        "/tasks/functions",
        "/tasks/health",
        "/tasks/health/live",
        "/tasks/instances",
        "/tasks/metrics",
        "/tasks/nothing",
        "/tasks/nothing/arguments",
        "/tasks/nothing/cancel",
        "/tasks/nothing/logs",
        "/tasks/nothing/retry",
        "/tasks/nothing/run-again",
        "/tasks/pauses",
        "/tasks/pauses/resume",
        "/tasks/queues",
        "/tasks/queues/default",
        "/tasks/queues/default/pause",
        "/tasks/queues/default/drain",
        "/tasks/queues/default/resume",
        "/tasks/retry-failed",
        "/tasks/schedules",
        "/tasks/schedules/default/pause",
        "/tasks/schedules/default/resume",
        "/tasks/schedules/default/run",
        "/tasks/dashboard",
        "/tasks/dashboard/assets/default",
        "/tasks/dashboard/stream",
        "/tasks/dashboard/tasks/nothing",
    }


def test_the_guard_is_the_first_dependency_of_every_route():
    contexts = [
        context
        for context in iter_route_contexts(DEFAULT.routes)
        if (context.path_format or "").startswith("/tasks")
    ]

    first = [context.dependant.dependencies[0].call for context in contexts]

    assert len(contexts) == len(ROUTES)
    assert all(isinstance(call, Access) for call in first)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_is_refused_on_every_route(method, path):
    response = ask(DEFAULT, STRANGER, method=method, path=path)

    assert response.status_code == 403
    assert "dependencies=[Depends(your_check)]" in response.text


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("testclient", False),
        ("10.0.0.1", False),
        ("192.168.1.2", False),
        ("203.0.113.5", False),
        ("::ffff:203.0.113.5", False),
        ("fe80::1", False),
        ("0.0.0.0", False),  # noqa: S104  (a peer, not an address to bind)
        ("localhost", False),
        ("127.0.0.1.example.com", False),
        ("unix", False),
        ("", False),
    ],
)
def test_only_loopback_peers_are_local(peer, admitted):
    assert ask(DEFAULT, (peer, 1)).status_code == (503 if admitted else 403)


def test_a_peer_that_the_server_does_not_know_is_a_stranger():
    async def nameless(scope, receive, send):
        await DEFAULT({**scope, "client": None}, receive, send)

    assert ask(nameless).status_code == 403


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1", True),
        ("127.0.0.1:65535", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("testserver", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com:80", False),
        ("localhost:80@example.com", False),
        ("localhost:", False),
        ("localhost:80:80", False),
        ("localhost\n", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_only_names_of_the_machine_itself_are_local(host, admitted):
    assert ask(DEFAULT, host="localhost", Host=host).status_code == (503 if admitted else 403)


def test_two_host_headers_are_refused():
    headers = [("host", "localhost"), ("host", "localhost")]

    assert ask(DEFAULT, extra=headers).status_code == 403


@pytest.mark.parametrize("peer", [("127.0.0.1", 1), ("testclient", 50_000)])
@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "X-Forwarded",
        "Via",
        "X-Real-IP",
    ],
)
def test_a_request_that_came_through_a_proxy_is_not_local(peer, header):
    # Servers take the peer from such headers, so even the test client's name may be forged.
    assert ask(DEFAULT, peer, **{header: "127.0.0.1"}).status_code == 403


def test_the_test_client_may_use_any_host():
    assert ask(DEFAULT, ("testclient", 50_000), host="shop.example").status_code == 503


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        (("testclient", 50_000), True),
        # Of httpx's transport for ASGI apps.
        (("127.0.0.1", 123), True),
        (("127.0.0.1", 50_000), False),
        # What a server makes of a header that names the test client.
        (("testclient", 0), False),
    ],
)
def test_the_name_of_test_servers_is_local_for_test_clients_only(peer, admitted):
    response = ask(DEFAULT, peer, host="testserver")

    assert response.status_code == (503 if admitted else 403)


# Dependencies, and no guard at all


def check(x_key: str | None = Header(None)) -> None:
    if x_key != "right":
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Key"})


GUARDED = app_with(dependencies=[Depends(check)])


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_the_apps_own_dependency_guards_every_route_instead(method, path):
    refused = ask(GUARDED, STRANGER, "shop.example", method, path)
    admitted = ask(GUARDED, STRANGER, "shop.example", method, path, extra={"X-Key": "right"})

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Key")
    assert admitted.status_code not in (401, 403)


def test_a_dependency_can_be_overridden_in_tests():
    app = app_with(dependencies=[Depends(check)])
    app.dependency_overrides[check] = lambda: None

    assert ask(app, STRANGER, "shop.example").status_code == 503


def test_no_dependencies_is_no_guard_so_the_rule_for_local_clients_stays():
    assert ask(app_with(dependencies=[]), STRANGER).status_code == 403


def test_auth_none_opens_to_everybody_and_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        app = app_with(auth=None)

    shown = page(app, peer=STRANGER, host="shop.example")

    assert "open to everybody (auth=None)" in caplog.text
    assert Page(shown).settings["open_to_all"] is True


def test_nothing_is_said_where_nothing_is_open(caplog):
    with caplog.at_level(logging.WARNING):
        local, guarded = app_with(), app_with(auth=None, dependencies=[Depends(lambda: None)])

    assert "open to everybody" not in caplog.text
    for app in (local, guarded):
        assert Page(page(app)).settings["open_to_all"] is False


@pytest.mark.parametrize(
    "settings",
    [
        {"auth": object()},
        {"auth": False},
        {"auth": "admin:secret"},
        {"auth": []},
        {"auth": ()},
        {"auth": ("admin",)},
        {"auth": ("admin", "secret", "boss")},
        {"auth": ("admin", "secret", "admin", "more")},
        {"auth": ("admin", "")},
        {"auth": ("", "secret")},
        {"auth": ("ad\nmin", "secret")},
        {"auth": ("admin", 7)},
        {"auth": ("admin", "$argon2id$v=19$m=32768,t=3,p=1$")},
        {"auth": ["admin", "secret"]},
        {"auth": [("admin", "secret"), ("admin", "other")]},
        {"auth": {"admin": "secret"}},
        {"auth": ("admin", "secret"), "role": "viewer"},
        {"role": "boss"},
        {"role": None},
        {"role": lambda: "viewer"},
        {"token_expiry": 0},
        {"token_expiry": float("nan")},
        {"token_expiry": "86400"},
        {"dependencies": [check]},
        {"path": ""},
        {"path": "/"},
        {"path": "tasks"},
        {"path": "/{tenant}/tasks"},
        {"path": "/a//b"},
        {"path": "/a?b"},
        {"path": None},
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(ConfigurationError):
        app_with(**settings)


@pytest.mark.parametrize(
    "auth", [["admin", "s3cret"], ("admin", "s3cret", "s3cret", "x"), {"admin": "s3cret"}]
)
def test_a_refused_setting_tells_what_to_do_and_no_secret(auth):
    with pytest.raises(ConfigurationError, match=r"auth takes \(name, password\)") as refused:
        app_with(auth=auth)

    assert "s3cret" not in str(refused.value)


# Read only


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_read_only_refuses_what_changes_something_or_shows_contents(method, path):
    response = ask(READ_ONLY, method=method, path=path)

    contents = path.endswith(("/arguments", "/logs"))
    reads = (method == "GET" or path.endswith("/preview")) and not contents
    assert (response.status_code == 403) == (not reads)


def test_a_read_only_page_is_told_so():
    told = Page(page(READ_ONLY)).settings

    assert (told["user"]["role"], set(told["may"].values())) == ("viewer", {False})


# Other sites


SITES = [
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": ""}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
    ({"Origin": "http://localhost"}, True),
    ({"Origin": "HTTPS://LOCALHOST"}, True),
    ({"Origin": "http://localhost:81"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "http://localhost.evil.example"}, False),
    ({"Origin": "http://localhost@evil.example"}, False),
    ({"Origin": "ftp://localhost"}, False),
    ({"Origin": "localhost"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ([("Origin", "http://localhost"), ("Origin", "http://evil.example")], False),
    ([("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")], False),
]
UNSAFE = [route for route in ROUTES if route[0] != "GET"]


@pytest.mark.parametrize(("headers", "admitted"), SITES)
@pytest.mark.parametrize("app", [DEFAULT, OPEN, CHECKED], ids=["default", "open", "checked"])
def test_unsafe_methods_need_the_same_origin(headers, admitted, app):
    client = TestClient(app, base_url="http://localhost", client=LOCAL)

    refused = {
        (method, path)
        for method, path in UNSAFE
        if client.request(method, path, headers=headers).status_code == 403
    }

    assert refused == (set() if admitted else set(UNSAFE))


def test_reading_needs_no_origin():
    assert ask(DEFAULT, extra={"Sec-Fetch-Site": "cross-site"}).status_code == 503


def test_the_port_counts_and_is_compared_with_the_host():
    path = "/tasks/queues/default/pause"

    same = ask(DEFAULT, host="localhost:81", method="POST", path=path, Origin="http://localhost:81")
    other = ask(DEFAULT, host="localhost:81", method="POST", path=path, Origin="http://localhost")

    assert (same.status_code, other.status_code) == (503, 403)


def test_no_route_that_only_reads_takes_another_method():
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        response = ask(DEFAULT, method=method, path="/tasks")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
