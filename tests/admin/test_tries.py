"""Wrong passwords and failing checks: how often, at what cost, and that nobody slips in."""

import base64
import logging
import threading

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import (
    AuthUser,
    MemoryBackend,
    StoreUnavailable,
    TaskAdmin,
    TaskAuthBackend,
    TaskManager,
)
from fastapi_taskflow.testing.clock import ManualClock
from tests.admin.pages import Page
from tests.admin.people import Directory, browser, everybody, sign_in, signed_in

RIGHT, WRONG = "right", "wrong"
HERE, THERE = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def people():
    return everybody()


@pytest.fixture
def served(open_desk, store, people):
    return open_desk(store, auth=people)


@pytest.fixture
def in_memory(open_desk, people):
    return open_desk(auth=people)


def statuses(client: TestClient, name: str, times: int) -> list[int]:
    return [sign_in(client, name, WRONG).status_code for _ in range(times)]


# The budget


def test_after_five_wrong_passwords_no_more_are_looked_at(served, people):
    client = browser(served.app, address=HERE)

    answers = statuses(client, "viewer", 8)
    right = sign_in(client, "viewer")

    assert answers == [401] * 5 + [429] * 3
    assert (right.status_code, len(people.tries)) == (429, 5)
    assert int(right.headers["retry-after"]) >= 1
    assert f"Please wait {right.headers['retry-after']} second" in Page(right.text).text


def test_json_and_basic_are_told_the_same(in_memory, people):
    client = browser(in_memory.app, address=HERE)
    statuses(client, "viewer", 5)

    answers = [
        client.post("/tasks/auth/login", json={"username": "viewer", "password": "reweiv"}),
        client.get("/tasks", auth=("viewer", "reweiv")),
    ]

    assert [answer.status_code for answer in answers] == [429, 429]
    assert all("Too many tries" in answer.json()["detail"] for answer in answers)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert len(people.tries) == 5


def test_who_guesses_does_not_lock_the_owner_out(served):
    statuses(browser(served.app, address=HERE), "viewer", 8)

    assert sign_in(browser(served.app, address=THERE), "viewer").status_code == 303


@pytest.mark.parametrize("other", ["Viewer", " viewer", "VIEWER ", "\uff56iewer"])
def test_another_spelling_of_the_name_is_no_new_budget(in_memory, other):
    client = browser(in_memory.app, address=HERE)
    statuses(client, "viewer", 5)

    assert sign_in(client, other, "wrong").status_code == 429


def test_a_header_is_no_new_network(in_memory):
    client = browser(in_memory.app, address=HERE)
    statuses(client, "viewer", 5)

    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"):
        client.headers[header] = THERE
        assert sign_in(client, "viewer", "wrong").status_code == 429


def test_addresses_of_one_ipv6_network_share_a_budget(in_memory):
    answers = [
        sign_in(browser(in_memory.app, address=f"2001:db8:1:2::{n}"), "viewer", "x").status_code
        for n in range(1, 8)
    ]

    assert answers == [401] * 5 + [429] * 2


def test_a_network_has_thirty_tries_for_all_accounts_together(in_memory, people):
    client = browser(in_memory.app, address=HERE)

    answers = [sign_in(client, f"user{n}", "wrong").status_code for n in range(40)]

    assert answers[:30] == [401] * 30
    # One more comes back every two seconds.
    assert answers.count(401) == len(people.tries) <= 33


def test_a_right_password_makes_earlier_wrong_ones_forgotten(served):
    client = browser(served.app, address=HERE)
    statuses(client, "viewer", 4)
    sign_in(client, "viewer")

    assert statuses(client, "viewer", 6) == [401] * 5 + [429]


def test_who_goes_on_waits_longer_each_time():
    clock, app, waits = ManualClock(), FastAPI(), []
    TaskAdmin(app, TaskManager(snapshot_backend=MemoryBackend(clock=clock)), auth=everybody())
    with TestClient(app):
        client = browser(app, address=HERE)
        statuses(client, "viewer", 5)
        for _ in range(10):
            answer = sign_in(client, "viewer", "wrong")
            waits.append(int(answer.headers["retry-after"]))
            clock.advance(waits[-1])
            assert sign_in(client, "viewer", "wrong").status_code == 401

    assert waits == sorted(waits)
    assert waits[0] <= 12
    assert waits[-1] == 300


def test_what_goes_beyond_the_budget_is_written_down_once(served, caplog):
    client = browser(served.app, address=HERE)
    with caplog.at_level(logging.WARNING):
        statuses(client, "viewer", 30)

    entries = signed_in(served.app, "admin").get("/tasks/audit").json()[1:]
    assert [(entry["action"], entry["actor"]) for entry in entries] == [("login", "anonymous")]
    assert entries[0]["detail"] == {
        "refused": "too many tries",
        "user": "viewer",
        "network": HERE,
    }
    assert caplog.text.count("Too many tries") == 1


# Basic


def test_a_script_sends_name_and_password_with_each_request(served, people):
    client = browser(served.app)

    answers = [client.get("/tasks/metrics", auth=("viewer", "reweiv")) for _ in range(40)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("set-cookie" in answer.headers for answer in answers)
    # Looked at once in a minute, and no login.
    assert len(people.tries) == 1
    assert signed_in(served.app, "admin").get("/tasks/audit").json()[1:] == []


def test_what_a_script_does_has_its_name(in_memory):
    client = browser(in_memory.app)
    pause = "/tasks/queues/mail/pause"

    refused = client.post(pause, auth=("viewer", "reweiv"))
    done = client.post(pause, auth=("operator", "rotarepo"))
    entries = client.get("/tasks/audit", auth=("viewer", "reweiv")).json()

    assert (refused.status_code, done.status_code) == (403, 200)
    assert [(entry["action"], entry["actor"]) for entry in entries] == [("pause", "operator")]


def test_a_script_with_a_wrong_password_has_the_same_budget(in_memory, people):
    client = browser(in_memory.app, address=HERE)

    answers = [client.get("/tasks", auth=("viewer", "wrong")) for _ in range(7)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert not any("basic" in str(answer.headers).lower() for answer in answers)
    assert len(people.tries) == 5


def test_a_remembered_password_fits_its_user_only(in_memory, people):
    client = browser(in_memory.app)
    client.get("/tasks", auth=("viewer", "reweiv"))

    wrong = client.get("/tasks", auth=("viewer", "reweiw"))
    other = client.get("/tasks", auth=("admin", "reweiv"))

    assert (wrong.status_code, other.status_code) == (401, 401)
    assert len(people.tries) == 3


def test_a_user_who_was_removed_is_out_at_once(in_memory, people):
    client = browser(in_memory.app)
    before = client.get("/tasks", auth=("viewer", "reweiv")).status_code
    del people.roles["viewer"]

    assert (before, client.get("/tasks", auth=("viewer", "reweiv")).status_code) == (200, 401)


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic ===",
        "Basic !!!",
        "Basic " + base64.b64encode(b"viewer").decode(),
        "Basic " + base64.b64encode(b":reweiv").decode(),
        "Basic " + base64.b64encode(b"\xff:reweiv").decode(),
        "Basic " + base64.b64encode(b"view\x00er:reweiv").decode(),
        "Basic " + base64.b64encode(b"viewer:" + b"x" * 2_000).decode(),
        "Bearer abc",
        "Digest username=viewer",
        "",
    ],
)
def test_a_header_that_cannot_be_read_lets_nobody_in(in_memory, people, header):
    answer = browser(in_memory.app).get("/tasks", headers={"Authorization": header})

    assert answer.status_code == 401
    assert people.tries == []


def test_a_session_counts_before_a_header_that_the_browser_sends_to_the_whole_host(in_memory):
    client = signed_in(in_memory.app, "viewer")

    answers = [client.get("/tasks", auth=("site", "wide")).status_code for _ in range(10)]

    assert answers == [200] * 10


# Checks of the app's own


class Check(TaskAuthBackend):
    """A check that is one function."""

    def __init__(self, function) -> None:
        self.authenticate_user = function  # type: ignore[method-assign]

    def authenticate_user(self, username, password): ...


async def yes(username: str, password: str) -> bool:
    return password == RIGHT


def try_with(function, password: str) -> int:
    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=Check(function))
    with TestClient(app):
        return sign_in(browser(app), "ada", password).status_code


@pytest.mark.parametrize(
    "function",
    [
        yes,
        lambda *both: yes(*both),  # noqa: PLW0108  (not a coroutine function, that is the point)
        lambda name, password: password == RIGHT,
        lambda name, password: "viewer" if password == RIGHT else None,
        lambda name, password: AuthUser(name, "viewer") if password == RIGHT else False,
    ],
    ids=["coroutine function", "wrapped", "plain", "role", "user"],
)
def test_a_check_may_be_async_or_not_and_is_always_awaited(function):
    assert (try_with(function, RIGHT), try_with(function, "wrong")) == (303, 401)


def test_an_empty_password_lets_nobody_in_whatever_the_check_would_say():
    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=Check(lambda *_: True))
    with TestClient(app):
        form = sign_in(browser(app), "ada", "").status_code
        script = browser(app).get("/tasks", auth=("ada", "")).status_code

    assert (form, script, try_with(lambda *_: True, "x")) == (401, 401, 303)


def test_a_check_of_sessions_counts_however_the_backend_got_it():
    check = Check(yes)
    check.current_user = lambda user: False
    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=check)
    with TestClient(app):
        session = signed_in_as(app, "ada").get("/tasks").status_code
        script = browser(app).get("/tasks", auth=("ada", RIGHT)).status_code

    assert (session, script) == (401, 401)


def test_a_session_never_becomes_that_of_another_user():
    check = Check(yes)
    check.current_user = lambda user: AuthUser("root", "admin")
    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=check)
    with TestClient(app):
        assert signed_in_as(app, "ada").get("/tasks").status_code == 401


def signed_in_as(app: FastAPI, name: str) -> TestClient:
    client = browser(app)
    assert sign_in(client, name, RIGHT).status_code == 303
    return client


async def nested(name: str, password: str):
    return yes(name, password)


@pytest.mark.parametrize(
    "function",
    [
        nested,
        lambda *_: 1,
        lambda *_: "yes",
        lambda *_: object(),
        lambda *_: [True],
        lambda *_: yes,
    ],
    ids=["a coroutine that nobody awaits", "1", "text", "object", "list", "function"],
)
def test_what_is_true_but_no_verdict_lets_nobody_in(function):
    assert try_with(function, "wrong") == 401


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(1), StopIteration(), KeyboardInterrupt()]
)
def test_a_plain_check_that_raises_lets_nobody_in_and_ends_nothing(error):
    def broken(name: str, password: str) -> bool:
        raise error

    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=Check(broken))
    with TestClient(app):
        answers = [sign_in(browser(app), "ada") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503] * 5
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_a_check_that_fails_lets_nobody_go_on_either(in_memory, people):
    client = signed_in(in_memory.app, "admin")
    people.failure = ConnectionError("the directory is away")

    answers = [client.get("/tasks"), client.get("/tasks", auth=("viewer", "reweiv"))]
    people.failure = None

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "directory is away" not in answers[0].text
    assert client.get("/tasks").status_code == 200


def test_plain_checks_run_in_threads_and_four_at_once():
    gate, lock, seen = threading.Event(), threading.Lock(), []
    together = threading.Barrier(5)

    def slow(name: str, password: str) -> bool:
        with lock:
            seen.append(threading.current_thread())
        if len(seen) <= 4:
            together.wait(10)
        gate.wait(10)
        return True

    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=Check(slow))
    answers: list[int] = []
    with TestClient(app):
        browsers = [
            threading.Thread(
                target=lambda: answers.append(sign_in(browser(app), "ada").status_code)
            )
            for _ in range(8)
        ]
        for each in browsers:
            each.start()
        together.wait(10)
        at_once = len(seen)
        gate.set()
        for each in browsers:
            each.join(20)

    assert (at_once, answers) == (4, [303] * 8)
    assert len(set(seen)) == 4
    assert threading.main_thread() not in seen


# The store


class Failing(MemoryBackend):
    """A store of which single verbs can be lost."""

    lost: frozenset[str] = frozenset()

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in super().__getattribute__("lost"):
            raise StoreUnavailable("the store does not answer", retry_after=2.5)
        return FailingLogins(self, found) if name == "sign_in" else found


class FailingLogins:
    """Its sign-in, of which single verbs can be lost as well."""

    def __init__(self, store, logins):
        self._store = store
        self._logins = logins

    def __getattr__(self, name):
        if name in self._store.lost:
            raise StoreUnavailable("the store does not answer", retry_after=2.5)
        return getattr(self._logins, name)


@pytest.mark.parametrize("verb", ["take_tokens", "forget_buckets", "open_session", "append_audit"])
def test_nobody_is_let_in_while_the_store_is_away(open_desk, verb):
    store = Failing()
    desk = open_desk(store, auth=everybody())

    store.lost = frozenset({verb})
    answers = [
        sign_in(browser(desk.app), "admin"),
        browser(desk.app).post(
            "/tasks/auth/login", json={"username": "admin", "password": "nimda"}
        ),
    ]
    store.lost = frozenset()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.headers["retry-after"] for answer in answers] == ["3", "3"]
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_nobody_goes_on_while_the_store_is_away(open_desk):
    store = Failing()
    desk = open_desk(store, auth=everybody())
    client = signed_in(desk.app, "admin")

    store.lost = frozenset({"find_session", "take_tokens"})
    answers = [
        client.get("/tasks"),
        client.get("/tasks/dashboard"),
        client.post("/tasks/queues/mail/pause"),
        client.post("/tasks/auth/logout"),
        browser(desk.app).get("/tasks", auth=("admin", "nimda")),
    ]
    store.lost = frozenset()

    assert [answer.status_code for answer in answers] == [503] * 5
    assert client.get("/tasks").status_code == 200


def test_without_an_engine_nobody_gets_in():
    app = FastAPI()
    TaskAdmin(app, TaskManager(), auth=Directory(ada="admin"))

    answers = [
        browser(app).get("/tasks", auth=("ada", "ada")),
        sign_in(browser(app), "ada"),
        browser(app).get("/tasks", headers={"Cookie": f"tf_session={'x' * 43}"}),
    ]

    assert [answer.status_code for answer in answers] == [503] * 3
