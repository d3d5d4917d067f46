"""Users of an app's own, and browsers that sign in as them."""

import itertools
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from fastapi_taskflow import AuthUser, TaskAuthBackend
from fastapi_taskflow.rules.auth.users import Verdict

OPENED_HERE = {"Sec-Fetch-Site": "same-origin"}


class Directory(TaskAuthBackend):
    """Users with roles; each one's password is the name backwards.

    Attributes:
        roles: By name; may be changed while an app runs.
        tries: Passwords that were looked at.
        failure: Raised by every check, if set.
    """

    def __init__(self, **roles: str) -> None:
        self.roles = roles
        self.tries: list[tuple[str, str]] = []
        self.failure: Exception | None = None

    async def authenticate_user(self, username: str, password: str) -> Verdict:
        self.tries.append((username, password))
        if self.failure is not None:
            raise self.failure
        return self.roles.get(username) if password == username[::-1] else False

    async def current_user(self, user: AuthUser) -> Verdict:
        if self.failure is not None:
            raise self.failure
        return self.roles.get(user.name)


def everybody() -> Directory:
    """One user of each role, named by it."""
    return Directory(viewer="viewer", operator="operator", admin="admin")


_ADDRESSES: Iterator[str] = (
    f"10.{one}.{two}.{three}"
    for one, two, three in itertools.product(range(256), range(256), range(1, 255))
)


def browser(
    app: FastAPI, *, address: str | None = None, url: str = "http://testserver"
) -> TestClient:
    """A browser on a network of its own, that goes where it is sent only when it is told."""
    peer = (address or next(_ADDRESSES), 4711)
    client = TestClient(app, base_url=url, client=peer, follow_redirects=False, headers=OPENED_HERE)
    # As on a server: requests are served on the event loop of the app's engine.
    client.portal = getattr(app.state, "portal", None)
    return client


def sign_in(client: TestClient, name: str, password: str | None = None, **more: str) -> Response:
    """Fill in the form; the answer."""
    typed = {"username": name, "password": name[::-1] if password is None else password}
    response: Response = client.post("/tasks/auth/login", data={**typed, **more})
    return response


def signed_in(app: FastAPI, name: str, **place: str) -> TestClient:
    """A browser in which somebody has signed in."""
    client = browser(app, **place)
    response = sign_in(client, name)
    assert response.status_code == 303, response.text
    return client
