"""What a request brings along to say who sends it: a session's cookie, or name and password."""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from binascii import Error
from typing import NamedTuple

from fastapi import Request, Response
from starlette.datastructures import Headers

from fastapi_taskflow.rules.auth.passwords import PASSWORD_LIMIT
from fastapi_taskflow.rules.auth.users import NAME_LIMIT

__all__ = [
    "Basic",
    "Cookies",
    "basic_of",
    "has_basic",
    "has_local_host",
    "has_session_cookie",
    "is_forwarded",
    "is_plain_local",
    "is_test",
]

logger = logging.getLogger(__name__)

# Names of the machine itself only, so that a page whose name was rebound to 127.0.0.1 is
# refused.
_LOCAL_HOST = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
# What Starlette's test client and httpx's ASGI transport say of themselves. No server says
# this of a client: one is no address, and the other port is kept for the system's own.
_TEST_CLIENTS = frozenset({("testclient", 50_000), ("127.0.0.1", 123)})
_TEST_HOST = "testserver"

# Beside X-Forwarded-*: what a proxy adds and a direct client never does.
_PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})

# Browsers take a cookie with this prefix over HTTPS only, and let no other host, also no
# subdomain, set or shadow it.
_SECURE_NAME = "__Host-tf_session"
_PLAIN_NAME = "tf_session"
_PLAIN_WARNING = (
    "A session's cookie is sent without Secure, because the sign-in page was opened over plain "
    "HTTP on this machine. That is for development; serve it over HTTPS elsewhere"
)


class Basic(NamedTuple):
    """Name and password of an ``Authorization: Basic`` header."""

    username: str
    password: str


def has_basic(headers: Headers) -> bool:
    """There is such a header, readable or not."""
    return any(_is_basic(given) for given in headers.getlist("authorization"))


def basic_of(headers: Headers) -> Basic | None:
    """Name and password; None where they cannot be read, or there are several."""
    given = headers.getlist("authorization")
    if len(given) != 1 or not _is_basic(given[0]):
        return None
    _, _, encoded = given[0].partition(" ")
    try:
        name, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (Error, UnicodeDecodeError, ValueError):
        return None
    fits = 1 <= len(name) <= NAME_LIMIT and name.isprintable() and len(password) <= PASSWORD_LIMIT
    return Basic(name, password) if colon and fits else None


def _is_basic(given: str) -> bool:
    return given[:6].lower() == "basic "


def has_session_cookie(request: Request) -> bool:
    """A browser that has signed in here or nearby sent it, alive or not."""
    return _SECURE_NAME in request.cookies or _PLAIN_NAME in request.cookies


def is_forwarded(headers: Headers) -> bool:
    """A proxy passed the request on, and says so."""
    return any(name in _PROXY_HEADERS or name.startswith("x-forwarded") for name in headers)


def is_plain_local(request: Request) -> bool:
    """It came over plain HTTP to a name of this machine, where Secure cannot be had.

    Not through a proxy: many call the app by such a name, whatever the browser called them.
    """
    hosts = request.headers.getlist("host")
    # A test client takes a Secure cookie for its plain address no more than a browser does.
    local = has_local_host(request.headers) or hosts == [_TEST_HOST]
    return local and request.scope.get("scheme") == "http" and not is_forwarded(request.headers)


def has_local_host(headers: Headers) -> bool:
    """It is addressed to a name of this machine."""
    hosts = headers.getlist("host")
    return len(hosts) == 1 and _LOCAL_HOST.fullmatch(hosts[0]) is not None


def is_test(request: Request) -> bool:
    """A test client calls the app directly, under the name that test clients use."""
    client = request.scope.get("client")
    if client is None or tuple(client) not in _TEST_CLIENTS:
        return False
    return client[0] == "testclient" or request.headers.getlist("host") == [_TEST_HOST]


class Cookies:
    """A session's cookie: ``__Host-`` and ``Secure``, but for plain HTTP on this machine.

    Everywhere else it is always the secure one, because a proxy may have ended TLS; where
    none has, browsers refuse the cookie, and nobody gets in over a network in the clear.
    """

    def __init__(self) -> None:
        self._warned = False

    def read(self, request: Request) -> str | None:
        """The token that the browser sent; it need not be a real one."""
        return request.cookies.get(_PLAIN_NAME if is_plain_local(request) else _SECURE_NAME)

    def write(self, request: Request, response: Response, token: str) -> None:
        """Give the browser a token, until it is closed."""
        plain = is_plain_local(request)
        if plain and not self._warned:
            self._warned = True
            logger.warning(_PLAIN_WARNING)
        self._set(response, token, plain=plain)

    def clear(self, request: Request, response: Response) -> None:
        """Take the token from the browser."""
        self._set(response, "", plain=is_plain_local(request), max_age=0)

    @staticmethod
    def _set(response: Response, token: str, *, plain: bool, max_age: int | None = None) -> None:
        response.set_cookie(
            _PLAIN_NAME if plain else _SECURE_NAME,
            token,
            max_age=max_age,
            path="/",
            secure=not plain,
            httponly=True,
            samesite="lax",
        )
