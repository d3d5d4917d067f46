"""Signing in and out: the page, JSON, cookies, sessions, and who is written into the audit."""

import logging
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import MemoryBackend, TaskAdmin, TaskManager
from fastapi_taskflow.testing.clock import ManualClock
from tests.admin.pages import Page
from tests.admin.people import browser, everybody, sign_in, signed_in
from tests.admin.test_answers import GOLDEN

LOCAL, REMOTE = "http://localhost:8000", "https://shop.example"


@pytest.fixture
def served(open_desk, store):
    """An app with users, on each kind of store."""
    return open_desk(store, auth=everybody())


@pytest.fixture
def in_memory(open_desk):
    """An app with users, where the store makes no difference."""
    return open_desk(auth=everybody())


# The page


@pytest.mark.parametrize("path", ["/tasks/dashboard", "/tasks/dashboard/tasks/some-id?a=b&c=%2F"])
def test_a_page_leads_to_the_form_and_back(in_memory, path):
    client = browser(in_memory.app)

    sent = client.get(path)
    form = Page(client.get(sent.headers["location"]).text)
    hidden = {
        a["name"]: a["value"] for n, a in form.elements if n == "input" and "hidden" in a.values()
    }
    answer = sign_in(client, "viewer", **hidden)

    assert (sent.status_code, answer.status_code) == (303, 303)
    assert sent.headers["location"].partition("?")[0] == "/tasks/auth/login"
    assert answer.headers["location"] == path


def test_the_form_has_no_script_and_the_headers_of_every_page(in_memory):
    response = browser(in_memory.app).get("/tasks/auth/login")
    page = Page(response.text)

    assert response.status_code == 200
    assert {name: response.headers.get(name) for name in GOLDEN} == GOLDEN
    assert not {name for name, _ in page.elements} & {"script", "style", "iframe", "img"}
    assert page.attributes("autocomplete") == ["username", "current-password"]
    assert page.attributes("action") == ["/tasks/auth/login"]


def test_the_form_can_be_dressed_before_anybody_signed_in(in_memory):
    client = browser(in_memory.app)
    page = Page(client.get("/tasks/auth/login").text)

    files = [one for one in page.attributes("href") if "/assets/" in one]

    assert len(files) == 2
    assert [client.get(one).status_code for one in files] == [200, 200]


@pytest.mark.parametrize(
    ("name", "password"),
    [("viewer", "wrong"), ("nobody", "ydobon"), ("viewer", ""), ("VIEWER", "reweiv")],
)
def test_a_wrong_name_and_a_wrong_password_are_told_in_the_same_words(in_memory, name, password):
    client = browser(in_memory.app)

    answer = sign_in(client, name, password)

    assert answer.status_code == 401
    assert "The name or the password is wrong." in Page(answer.text).text
    assert not answer.headers["www-authenticate"].lower().startswith("basic")
    assert "set-cookie" not in answer.headers
    assert name in Page(answer.text).attributes("value")
    assert password not in Page(answer.text).attributes("value") or not password


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": "viewer"},
        {"password": "x"},
        {"username": "", "password": "x"},
        {"username": "a", "password": "x" * 1_025},
        {"username": "a", "password": "b", "c": "d"},
    ],
)
def test_an_incomplete_form_is_shown_again(in_memory, form):
    answer = browser(in_memory.app).post("/tasks/auth/login", data=form or {"x": ""})

    assert answer.status_code == 422
    assert "Enter your name and your password." in Page(answer.text).text


@pytest.mark.parametrize(
    "name", ["ad\u200bmin", "ad\u202emin", "ad\u2028min", "ad\x85min", "a\xadb"]
)
def test_a_name_that_cannot_be_shown_is_refused_before_anybody_is_asked(open_desk, name):
    people = everybody()
    client = browser(open_desk(auth=people).app)

    by_form = sign_in(client, name, "secret")
    by_json = client.post("/tasks/auth/login", json={"username": name, "password": "secret"})

    assert (by_form.status_code, by_json.status_code) == (422, 422)
    assert "Enter your name and your password." in Page(by_form.text).text
    assert "secret" not in by_form.text + by_json.text
    assert people.tries == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"", 422),
        ("application/json", b"[]", 422),
        ("application/json", b'{"username": "a"}', 422),
        ("application/json", b'{"username": "a", "password": 7}', 422),
        ("application/json", b'{"username": "a", "password": "secret", "next": 7}', 422),
        ("application/json", b'{"username": "a", "password": "secret", "x": 1}', 422),
        ("application/json", b'{"username": "a\\u0000", "password": "secret"}', 422),
        ("application/json", b"\xff", 422),
        ("application/json", b"{" + b" " * 20_000, 413),
        ("text/plain", b"username=viewer&password=reweiv", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"username=viewer&password=reweiv", 415),
        ("application/x-www-form-urlencoded", b"username=%ff&password=x", 422),
        ("application/x-www-form-urlencoded", b"a&" * 50, 422),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_without_its_content(in_memory, kind, body, status):
    headers = {"Content-Type": kind} if kind else {}

    answer = browser(in_memory.app).post("/tasks/auth/login", content=body, headers=headers)

    assert answer.status_code == status
    assert "secret" not in answer.text


# JSON


def test_json_is_answered_with_json(served):
    client = browser(served.app)

    wrong = client.post("/tasks/auth/login", json={"username": "viewer", "password": "x"})
    right = client.post("/tasks/auth/login", json={"username": "viewer", "password": "reweiv"})

    assert wrong.status_code == 401
    assert wrong.json() == {"detail": "The name or the password is wrong."}
    assert right.status_code == 200
    assert right.json().keys() == {"user", "role", "expires_at"}
    assert (right.json()["user"], right.json()["role"]) == ("viewer", "viewer")
    assert client.get("/tasks/metrics").status_code == 200
    assert client.post("/tasks/auth/logout").status_code == 204
    assert client.get("/tasks/metrics").status_code == 401


# Cookies


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        (REMOTE, "__Host-tf_session", True),
        ("https://localhost", "__Host-tf_session", True),
        # A proxy may have ended TLS; where none has, browsers refuse it.
        ("http://shop.example", "__Host-tf_session", True),
        (LOCAL, "tf_session", False),
        ("http://127.0.0.1:8000", "tf_session", False),
        ("http://[::1]:8000", "tf_session", False),
        ("http://testserver", "tf_session", False),
    ],
)
def test_the_cookie_is_secure_but_for_plain_http_on_this_machine(in_memory, url, name, secure):
    # Older test clients cannot take such an address apart; the header is what counts.
    client = browser(in_memory.app, url=LOCAL if "[" in url else url)
    client.headers["Host"] = url.partition("//")[2]
    answer = sign_in(client, "viewer")

    (cookie,) = answer.headers.get_list("set-cookie")
    pair, *attributes = cookie.split("; ")
    assert pair.partition("=")[0] == name
    assert len(pair.partition("=")[2]) == 43
    expected = {"HttpOnly", "Path=/", "SameSite=lax"} | ({"Secure"} if secure else set())
    assert set(attributes) == expected


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"])
def test_the_cookie_is_secure_behind_a_proxy_that_calls_the_app_by_a_local_name(in_memory, header):
    client = browser(in_memory.app, url="http://127.0.0.1:8000")
    client.headers[header] = "https"

    (cookie,) = sign_in(client, "viewer").headers.get_list("set-cookie")
    token = cookie.partition(";")[0].partition("=")[2]
    plain = client.get("/tasks/metrics", headers={"Cookie": f"tf_session={token}"})
    secure = client.get("/tasks/metrics", headers={"Cookie": f"__Host-tf_session={token}"})

    assert cookie.startswith("__Host-tf_session=")
    assert "Secure" in cookie
    assert (plain.status_code, secure.status_code) == (401, 200)


def test_the_cookie_without_secure_is_warned_of_once(in_memory, caplog):
    with caplog.at_level(logging.WARNING):
        sign_in(browser(in_memory.app, url=REMOTE), "viewer")
        secure = caplog.text
        for _ in range(2):
            sign_in(browser(in_memory.app, url=LOCAL), "viewer")

    assert secure == ""
    assert caplog.text.count("without Secure") == 1


def test_a_plain_cookie_opens_nothing_where_the_secure_one_is_due(in_memory):
    token = signed_in(in_memory.app, "admin", url=LOCAL).cookies["tf_session"]
    client = browser(in_memory.app, url=REMOTE)

    plain = client.get("/tasks/metrics", headers={"Cookie": f"tf_session={token}"})
    secure = client.get("/tasks/metrics", headers={"Cookie": f"__Host-tf_session={token}"})

    assert (plain.status_code, secure.status_code) == (401, 200)


def test_the_form_says_why_nobody_stays_signed_in_without_encryption(in_memory):
    shown = {
        url: "plain HTTP" in browser(in_memory.app, url=url).get("/tasks/auth/login").text
        for url in (LOCAL, REMOTE, "http://shop.example")
    }

    assert shown == {LOCAL: False, REMOTE: False, "http://shop.example": True}


# Sessions


def test_a_stolen_store_opens_nothing(served):
    token = signed_in(served.app, "admin").cookies["tf_session"]
    found = served.call(served.store.sign_in.close_sessions, token_hash=token)

    assert found == 0
    assert (
        browser(served.app).get("/tasks", headers={"Cookie": f"tf_session={token}"}).status_code
        == 200
    )


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\u00fc" * 43, "a" * 8_000, "../../etc"])
def test_an_invented_token_opens_nothing(served, token):
    cookie = f"tf_session={token}".encode("latin-1")

    answer = browser(served.app).get("/tasks", headers=[(b"cookie", cookie)])

    assert answer.status_code == 401


def test_signing_in_with_an_invented_token_ends_nobodys_session(in_memory):
    other = signed_in(in_memory.app, "admin")
    client = browser(in_memory.app)
    client.cookies.set("tf_session", "invented")

    answer = sign_in(client, "viewer")

    assert (answer.status_code, other.get("/tasks/metrics").status_code) == (303, 200)


def test_signing_in_again_ends_the_browsers_old_session(served):
    client = signed_in(served.app, "viewer")
    old = client.cookies["tf_session"]

    sign_in(client, "admin")

    new = client.cookies["tf_session"]
    stale = browser(served.app).get("/tasks", headers={"Cookie": f"tf_session={old}"})
    assert new != old
    assert stale.status_code == 401
    assert client.get("/tasks").status_code == 200


def test_signing_out_ends_the_session_and_takes_the_cookie(served):
    client, other = signed_in(served.app, "viewer"), signed_in(served.app, "viewer")
    token = client.cookies["tf_session"]

    answer = client.post("/tasks/auth/logout", data={"": ""})

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/auth/login")
    assert "tf_session" not in client.cookies
    again = browser(served.app).get("/tasks", headers={"Cookie": f"tf_session={token}"})
    assert again.status_code == 401
    assert other.get("/tasks").status_code == 200


def test_signing_out_everywhere_ends_all_sessions_of_that_user_and_no_other(served):
    clients = [signed_in(served.app, "viewer") for _ in range(3)]
    other = signed_in(served.app, "operator")

    clients[0].post("/tasks/auth/logout?everywhere=true")

    assert [client.get("/tasks").status_code for client in clients] == [401] * 3
    assert other.get("/tasks").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nobody_is_signed_out_by_a_link(in_memory, method):
    client = signed_in(in_memory.app, "viewer")

    assert client.request(method, "/tasks/auth/logout").status_code == 405
    assert client.get("/tasks").status_code == 200


def test_signing_out_without_a_session_is_no_error(in_memory):
    client = browser(in_memory.app)

    assert client.post("/tasks/auth/logout").status_code == 204
    assert client.post("/tasks/auth/logout?everywhere=true").status_code == 204


class World:
    """An app on a store whose clock is turned by hand."""

    def __init__(self, **settings) -> None:
        self.clock = ManualClock()
        self.people = everybody()
        self.app = FastAPI()
        manager = TaskManager(snapshot_backend=MemoryBackend(clock=self.clock))
        TaskAdmin(self.app, manager, auth=self.people, **settings)


def test_a_session_ends_when_nobody_uses_it_for_half_an_hour():
    world = World()
    with TestClient(world.app):
        client = signed_in(world.app, "viewer")
        answers = []
        for minutes in (29, 29, 29, 31):
            world.clock.advance(timedelta(minutes=minutes).total_seconds())
            answers.append(client.get("/tasks/metrics").status_code)

    assert answers == [200, 200, 200, 401]


def test_a_session_ends_at_its_expiry_however_busy_it_is():
    world = World(token_expiry=3_600.0, secret_key=b"not needed")
    with TestClient(world.app):
        client = signed_in(world.app, "viewer")
        answers = []
        for _ in range(4):
            world.clock.advance(timedelta(minutes=15, seconds=1).total_seconds())
            answers.append(client.get("/tasks/metrics").status_code)

    assert answers == [200, 200, 200, 401]


def test_a_session_of_one_admin_opens_no_other_on_the_same_store():
    manager, apps = TaskManager(), [FastAPI(), FastAPI()]
    for app, path in zip(apps, ("/tasks", "/other"), strict=True):
        TaskAdmin(app, manager, path, auth=everybody())

    with TestClient(apps[0]), TestClient(apps[1]):
        cookie = {"Cookie": f"tf_session={signed_in(apps[0], 'admin').cookies['tf_session']}"}
        answers = [
            browser(app).get(path, headers=cookie).status_code
            for app, path in zip(apps, ("/tasks", "/other"), strict=True)
        ]

    assert answers == [200, 401]


def test_a_change_of_role_counts_from_the_next_request(in_memory):
    in_memory.app = FastAPI()
    people = everybody()
    TaskAdmin(in_memory.app, TaskManager(), auth=people)
    with TestClient(in_memory.app):
        client = signed_in(in_memory.app, "operator")
        pause = "/tasks/queues/default/pause"
        before = client.post(pause).status_code
        people.roles["operator"] = "viewer"
        after = client.post(pause).status_code
        people.roles["operator"] = None
        gone = client.get("/tasks").status_code

    assert (before, after, gone) == (200, 403, 401)


# The audit


def test_signing_in_and_out_and_what_is_done_between_has_the_users_name(served):
    client = signed_in(served.app, "operator", address="198.51.100.7")
    client.post("/tasks/queues/mail/pause")
    client.post("/tasks/auth/logout?everywhere=true")

    entries = signed_in(served.app, "admin").get("/tasks/audit").json()
    assert [(entry["action"], entry["actor"]) for entry in entries] == [
        ("login", "admin"),
        ("logout", "operator"),
        ("pause", "operator"),
        ("login", "operator"),
    ]
    assert entries[3]["detail"] == {"role": "operator", "network": "198.51.100.7"}
    assert entries[1]["detail"] == {"everywhere": True, "sessions": 1, "network": "198.51.100.7"}
    assert {entry["task_id"] for entry in (entries[0], entries[1])} == {"session"}


# Other sites


@pytest.mark.parametrize(
    "path", ["/tasks/auth/login", "/tasks/auth/logout", "/tasks/queues/mail/pause"]
)
@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://testserver"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_with_a_session_what_acts_must_say_that_it_comes_from_here(
    in_memory, path, headers, passes
):
    token = signed_in(in_memory.app, "admin").cookies["tf_session"]
    client = TestClient(in_memory.app, follow_redirects=False)

    answer = client.post(path, headers={"Cookie": f"tf_session={token}", **headers})

    assert (answer.status_code == 403) is not passes
    assert ("another site" in answer.text) is not passes


def test_without_a_session_scripts_need_not_say_where_they_come_from(in_memory):
    client = TestClient(in_memory.app)

    answer = client.post("/tasks/auth/login", json={"username": "admin", "password": "nimda"})

    assert answer.status_code == 200


def test_another_site_cannot_sign_anybody_in(in_memory):
    client = TestClient(in_memory.app, headers={"Origin": "http://evil.example"})

    assert sign_in(client, "viewer").status_code == 403
