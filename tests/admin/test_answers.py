"""What every answer has in common: headers, methods, bad input refused with a reason, 503."""

from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_taskflow import MemoryBackend, StoreUnavailable, TaskAdmin, TaskManager
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.words.ids import new_id

GOLDEN = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def refuse() -> None:
    raise HTTPException(401, "who are you?", {"Cache-Control": "public"})


def guarded() -> FastAPI:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), dependencies=[Depends(refuse)])
    return app


REQUESTS = [
    ("GET", "", 200),
    ("GET", "?limit=0", 422),
    ("GET", "/metrics", 200),
    ("GET", "/queues", 200),
    ("PATCH", "/queues/default", 422),
    ("PATCH", "/queues/none", 422),
    ("POST", "/queues/none/pause", 404),
    ("GET", "/audit", 200),
    ("GET", "/nothing", 404),
    ("POST", "/nothing/retry", 404),
    ("DELETE", "", 405),
    ("OPTIONS", "/metrics", 405),
    ("GET", "/dashboard", 200),
    ("GET", "/dashboard/tasks/nothing", 200),
    ("GET", "/dashboard/assets/status.css", 200),
    ("GET", "/dashboard/assets/none", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
def test_every_answer_has_the_security_headers(memory_desk, method, path, status):
    response = memory_desk.client.request(method, f"/tasks{path}", follow_redirects=False)

    assert response.status_code == status
    assert {name: response.headers.get(name) for name in GOLDEN} == GOLDEN
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_answers_of_the_apps_own_dependencies_have_them_too():
    response = TestClient(guarded()).get("/tasks")

    assert response.status_code == 401
    assert {name: response.headers.get_list(name) for name in GOLDEN} == {
        name: [value] for name, value in GOLDEN.items()
    }


def test_other_routes_of_the_app_are_left_alone(memory_desk):
    memory_desk.app.add_api_route("/own", lambda: 1)

    assert not GOLDEN.keys() & memory_desk.client.get("/own").headers.keys()


@pytest.mark.parametrize("path", ["", "/metrics", "/nothing", "/dashboard"])
def test_head_is_get_without_the_body(memory_desk, path):
    got = memory_desk.client.get(f"/tasks{path}")
    headed = memory_desk.client.head(f"/tasks{path}")

    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_head_of_what_only_acts_is_not_allowed(memory_desk):
    response = memory_desk.client.head("/tasks/queues/default/pause")

    assert response.status_code == 405
    assert memory_desk.client.get("/tasks/audit").json() == []


@pytest.mark.parametrize(
    "path", ["/a/b", "/a/b/c", "/queues/a/b", "/dashboard/assets/../../admin.py"]
)
def test_an_unknown_path_is_not_found(memory_desk, path):
    assert memory_desk.client.get(f"/tasks{path}").status_code == 404


# Bad input


BAD_FILTERS = [
    "limit=0",
    "limit=-1",
    "limit=1001",
    "limit=x",
    "limit=",
    "limit=1.5",
    "limit=1" + "0" * 5_000,
    "limit=1&limit=2",
    "status=done",
    "status=",
    "status=FAILED",
    "&".join(["status=failed"] * 21),
    "func_name=",
    "func_name=" + "x" * 257,
    "func_name=a%00b",
    "queue=%0d%0aSet-Cookie:a=b",
    "tag=order",
    "tag=:7",
    "tag=a:b&tag=c:d",
    "tag=" + "x" * 600 + ":y",
    "q=%1b[31m",
    "since=yesterday",
    "since=",
    "since=6",
    "since=99999d",
    "since=-1h",
    "since=2026-13-01",
    "since=9999-12-31T23:59:59-14:00",
    "since=0001-01-01T00:00:00%2B14:00",
    "until=1w&since=9999w&until=1d",
    "until=" + "9" * 5_000,
    "cursor=",
    "cursor=x",
    "cursor=-1",
    "cursor=99999999999999999999",
    "cursor=" + "9" * 5_000,
    "cursor=%00",
    "cursor=1%27%20OR%201=1",
    "unknown=1",
    "Limit=1",
]


def test_a_bad_filter_is_refused_and_named(desk):
    answers = {query: desk.client.get(f"/tasks?{query}") for query in BAD_FILTERS}

    assert {query: answer.status_code for query, answer in answers.items()} == dict.fromkeys(
        BAD_FILTERS, 422
    )
    unnamed = [
        query for query, answer in answers.items() if query.partition("=")[0] not in answer.text
    ]
    assert unnamed == []
    # Nobody has to read a regular expression.
    assert [query for query, answer in answers.items() if "pattern" in answer.text] == []


def test_a_tag_without_a_value_is_told_what_a_tag_is(desk):
    assert "Expected key:value" in desk.client.get("/tasks?tag=user").text


def test_the_first_moment_of_the_calendar_is_one(desk):
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999w"):
        response = desk.client.get(f"/tasks?since={moment}")
        assert response.status_code in (200, 422), moment


@pytest.mark.parametrize("path", ["/audit?cursor=x", "/audit?limit=1001", "/audit?status=failed"])
def test_a_bad_page_of_the_audit_is_refused(desk, path):
    response = desk.client.get(f"/tasks{path}")

    assert response.status_code == 422
    assert all(fault["msg"] for fault in response.json()["detail"])


@given(
    st.dictionaries(
        st.sampled_from(["limit", "status", "func_name", "tag", "q", "since", "until", "cursor"]),
        st.text(max_size=40),
        max_size=4,
    )
)
@settings(max_examples=150)
def test_no_filter_brings_the_server_down(query):
    with TestClient(_SHARED) as client:
        statuses = {client.get(f"/tasks{page}", params=query).status_code for page in PAGES}

    assert statuses <= {200, 422}


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=100)
def test_no_name_brings_the_server_down(name):
    with TestClient(_SHARED) as client:
        for method, path in (
            ("GET", "/tasks/{}"),
            ("POST", "/tasks/{}/retry"),
            ("POST", "/tasks/queues/{}/pause"),
            ("GET", "/tasks/dashboard/tasks/{}"),
            ("GET", "/tasks/dashboard/assets/{}"),
        ):
            quoted = "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))
            response = client.request(method, path.format(quoted))
            # A name of slashes alone is the address of the list.
            known = name in ("default", "metrics") or not name.strip("/")
            # Its addresses are the page's own business.
            known = known or path.startswith("/tasks/dashboard")
            assert 400 <= response.status_code < 500 or known


PAGES = ("", "/dashboard")
_SHARED = FastAPI()
TaskAdmin(_SHARED, TaskManager())


def test_text_without_a_utf8_form_is_shown_all_the_same(memory_desk):
    fields = {"tags": {"\ud800": "\udfff"}, "delay": 60.0}
    task = NewTask(new_id(), "a\ud800b", None, "default", datetime.now(UTC), **fields)
    memory_desk.call(memory_desk.store.insert, [[task]])
    called = memory_desk.ended(memory_desk.succeed, "\ud800", **{"\udfff": 1}).task_id

    shown = memory_desk.client.get(f"/tasks/{task.task_id}").json()
    arguments = memory_desk.client.get(f"/tasks/{called}").json()
    listed = memory_desk.client.get("/tasks")
    pages = [
        memory_desk.client.get(f"/tasks/dashboard{path}").status_code
        for path in ("", f"/tasks/{task.task_id}", f"/tasks/{called}")
    ]

    assert (shown["func_name"], shown["tags"]) == ("a?b", {"?": "?"})
    assert (arguments["args"], arguments["kwargs"]) == (["'\\ud800'"], {"?": "1"})
    assert (listed.status_code, pages) == (200, [200, 200, 200])


# Outages


class Failing(MemoryBackend):
    """A store that can be lost, as a network file system is."""

    lost = False

    def __getattribute__(self, name):
        if name in _READS and super().__getattribute__("lost"):
            raise StoreUnavailable("the store does not answer", retry_after=2.5)
        return super().__getattribute__(name)


_READS = frozenset({"search", "count", "tally", "get", "cancel", "set_queue", "audit"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/metrics"),
        ("GET", "/queues"),
        ("PATCH", "/queues/default"),
        ("POST", "/queues/default/pause"),
        ("GET", "/audit"),
        ("GET", "/anything"),
        ("POST", "/anything/retry"),
        ("POST", "/anything/cancel"),
    ],
)
def test_a_lost_store_is_503_and_says_when_to_come_back(open_desk, method, path):
    store = Failing()
    desk = open_desk(store)

    store.lost = True
    response = desk.client.request(
        method, f"/tasks{path}", json={"concurrency": 1} if method == "PATCH" else None
    )
    store.lost = False

    assert (response.status_code, response.headers["Retry-After"]) == (503, "3")
    assert "the store does not answer" in response.text


def test_the_apps_own_handler_does_not_change_our_answers(memory_desk):
    app = FastAPI(exception_handlers=MappingProxyType({404: lambda *_: None}))
    TaskAdmin(app, TaskManager())

    with TestClient(app) as client:
        response = client.get("/tasks/nothing")

    assert response.json() == {"detail": "Task not found"}


@pytest.mark.parametrize("path", ["", "/metrics", "/nothing"])
def test_without_an_engine_the_answer_tells_how_to_start_one(path):
    response = TestClient(_SHARED).get(f"/tasks{path}")

    assert response.status_code == 503
    assert "init_app" in response.text
