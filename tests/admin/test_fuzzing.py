"""A client that tries everything the OpenAPI document allows, and much that it does not."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from hypothesis import settings

from fastapi_taskflow import QueueConfig, SqliteBackend, TaskAdmin, TaskManager
from tests.support.waiting import wait_until

schemathesis = pytest.importorskip("schemathesis", reason="not among the tools for the floor")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
pytestmark = pytest.mark.slow

LOGIN, LOGOUT = "/tasks/auth/login", "/tasks/auth/logout"
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_REFUSED = {401, 403}
# The cheapest that there are: how long a guess takes is not what is tested here.
_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USERS: list[Any] = [("ada", _hasher.hash("ada's")), ("bob", _hasher.hash("bob's"), "viewer")]


class Person(NamedTuple):
    """Somebody on a network of their own, so that nobody spends another's tries."""

    name: str
    network: str
    signed_up: bool = True

    @property
    def password(self) -> str:
        return f"{self.name}'s"

    def sends(self) -> dict[str, Any]:
        """What goes with each of their requests."""
        # uvicorn takes the peer's address from here, as it trusts a proxy on its own machine.
        headers = {"X-Forwarded-For": self.network}
        return {"headers": headers} | (
            {"auth": (self.name, self.password)} if self.signed_up else {}
        )


ADMIN, VIEWER = Person("ada", "10.0.0.1"), Person("bob", "10.0.0.2")
NOBODY = Person("eve", "10.0.0.3", signed_up=False)


def app_with(manager: TaskManager, **admin: Any) -> FastAPI:
    @manager.task()
    async def succeed(number: int) -> None: ...

    @manager.task()
    async def fail(number: int) -> None:
        raise RuntimeError(number)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for number in range(20):
            await manager.enqueue(succeed if number % 2 else fail, number)
        yield

    app = FastAPI(lifespan=lifespan)
    TaskAdmin(app, manager, display_func_args=True, **admin)
    return app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a real server with twenty tasks."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    started = threading.Event()

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            await wait_until(lambda: server.started)
            started.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        assert started.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


schema = schemathesis.openapi.from_dict(app_with(TaskManager()).openapi())
guarded = schemathesis.openapi.from_dict(app_with(TaskManager(), auth=USERS).openapi())


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def address(request, tmp_path_factory) -> Iterator[str]:
    """Of a server that is open to this machine."""
    path = tmp_path_factory.mktemp("schema") / "tasks.db"
    backend = SqliteBackend(str(path)) if request.param == "sqlite" else None
    manager = TaskManager(snapshot_backend=backend, queues={"mail": QueueConfig()})
    with served(app_with(manager)) as address:
        yield address


@pytest.fixture(scope="module")
def guarded_address() -> Iterator[str]:
    """Of a server with users."""
    with served(app_with(TaskManager(queues={"mail": QueueConfig()}), auth=USERS)) as address:
        yield address


@pytest.fixture(scope="module", params=[ADMIN, VIEWER, NOBODY], ids=["admin", "viewer", "nobody"])
def person(request) -> Person:
    """Who sends the requests."""
    found: Person = request.param
    return found


def tried(case: Any, **sent: Any) -> Any:
    """The answer to a generated request, after all checks."""
    valid = case.meta.generation.mode.is_positive
    if valid and isinstance(case.query, dict):
        # Valid ones come from earlier pages only; tests of their own try the others.
        case.query.pop("cursor", None)
    response = case.call(**sent)
    # No schema says that since and until need a bucket, or that the range has a bound.
    ranged = case.path == "/tasks/metrics" and {"since", "until"} & set(case.query or ())
    # Nor which tasks an act on many fits, and that it needs a filter.
    chosen = case.path.startswith("/tasks/bulk") and response.status_code == 400
    # Nor what a task's function takes.
    typed = case.path.endswith("/run-again") and response.status_code == 422
    unsaid = chosen or typed or (ranged and response.status_code == 422)
    excluded = [checks.positive_data_acceptance] if unsaid else []
    if response.status_code == 413:
        # A refusal as good as any, but not among those that the check knows.
        excluded.append(checks.negative_data_rejection)
    if case.path == LOGIN:
        # The page to sign in is on the same path, and pages are not in the document. No
        # pattern says which characters can be printed.
        excluded += [
            checks.allow_header_conformance,
            checks.unsupported_method,
            checks.positive_data_acceptance,
        ]
    case.validate_response(response, excluded_checks=excluded)
    return response


@schema.parametrize()
@settings(max_examples=20)
def test_every_answer_is_documented_and_none_is_a_failure(case, address):
    tried(case, base_url=address)


@guarded.parametrize()
@settings(max_examples=8)
def test_everybody_gets_documented_answers_and_no_more_than_their_role(
    case, guarded_address, person
):
    signing = case.path in (LOGIN, LOGOUT)
    if case.path == LOGIN and case.meta.generation.mode.is_positive:
        # No generator would guess it.
        case.body |= {"username": person.name, "password": person.password}

    response = tried(case, base_url=guarded_address, **person.sends())

    served = response.status_code < 400
    asks = response.request.method in {"GET", "HEAD"}
    # Arguments in full are for those who may run the task with others, and logs not for all.
    contents = case.path.endswith(("/arguments", "/logs"))
    reading = (asks and not contents) or case.path.endswith("/preview")
    if person is NOBODY:
        assert not served or (case.path == LOGIN and asks) or case.path == LOGOUT
    elif person is VIEWER and not signing:
        assert not served if not reading else response.status_code not in _REFUSED
    elif person is ADMIN and (not signing or case.meta.generation.mode.is_positive):
        assert response.status_code not in _REFUSED


@pytest.mark.parametrize(
    ("kind", "number", "right"), [(_JSON, 1, 200), (_FORM, 2, 303)], ids=["json", "form"]
)
def test_signing_in_answers_as_documented_until_it_is_too_often(
    guarded_address, kind, number, right
):
    def sign_in(person: Person, password: str) -> Any:
        case = guarded[LOGIN]["POST"].Case(
            body={"username": person.name, "password": password}, media_type=kind
        )
        response = case.call(base_url=guarded_address, headers=person.sends()["headers"])
        case.validate_response(response)
        return response

    stranger = Person("ada", f"10.0.1.{number}")
    answers = [sign_in(stranger, "a guess") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"][0]) > 0
    assert sign_in(Person("ada", f"10.0.2.{number}"), "ada's").status_code == right


def test_wrong_credentials_are_answered_as_documented_until_it_is_too_often(guarded_address):
    def ask() -> Any:
        case = guarded["/tasks/queues"]["GET"].Case()
        headers = {"X-Forwarded-For": "10.0.3.1"}
        response = case.call(base_url=guarded_address, headers=headers, auth=("ada", "a guess"))
        case.validate_response(response)
        return response.status_code

    assert [ask() for _ in range(6)] == [401] * 5 + [429]
