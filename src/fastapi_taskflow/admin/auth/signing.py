"""Signing in and out, and who is signed in: what pages, JSON and Basic have in common."""

from __future__ import annotations

from fastapi import Request

from fastapi_taskflow.admin.auth.credentials import Basic, Cookies, basic_of, has_basic
from fastapi_taskflow.admin.auth.refusals import NotSignedIn, Throttled
from fastapi_taskflow.admin.auth.verifying import Remembered, Verifier
from fastapi_taskflow.operations.logins import Begun, Logins, Try
from fastapi_taskflow.rules.auth.roles import is_role
from fastapi_taskflow.rules.auth.throttle import network_of
from fastapi_taskflow.rules.auth.users import AuthUser

__all__ = ["WRONG", "Signing"]

WRONG = "The name or the password is wrong."
_SIGN_IN = (
    "Sign in first: open the dashboard in a browser, or send name and password with each "
    "request (curl --user NAME)."
)


class Signing:
    """The doorkeeper of one `TaskAdmin` with ``auth``.

    Raises:
        StoreUnavailable, EngineNotRunning: from its methods, where the store or the check of
            users does not answer. Nobody is let in then.
    """

    def __init__(self, verifier: Verifier, logins: Logins) -> None:
        self.cookies = Cookies()
        self._verifier = verifier
        self._logins = logins
        self._remembered = Remembered()

    async def user_of(self, request: Request) -> tuple[AuthUser, bool]:
        """Who sent a request, and whether in a session."""
        # First: a browser may send along what it learned by heart for other pages of the host.
        user = await self._user_in_session(request)
        if user is not None:
            return user, True
        if has_basic(request.headers):
            return await self._user_of_basic(request, basic_of(request.headers)), False
        raise NotSignedIn(_SIGN_IN)

    async def sign_in(self, request: Request, username: str, password: str) -> Begun:
        """Begin a session, in place of the one that this browser had."""
        user = await self._checked(request, username, password)
        return await self._logins.begin(
            user, network=network(request), replaced=self.cookies.read(request)
        )

    async def sign_out(self, request: Request, *, everywhere: bool) -> None:
        """End this browser's session, or all of its user; nothing where there is none."""
        token = self.cookies.read(request)
        if token is not None:
            await self._logins.end(token, network=network(request), everywhere=everywhere)

    async def _user_in_session(self, request: Request) -> AuthUser | None:
        token = self.cookies.read(request)
        session = None if token is None else await self._logins.find(token)
        # Another release may know other roles.
        if session is None or not is_role(session.role):
            return None
        return await self._verifier.current(AuthUser(session.user, session.role))

    async def _user_of_basic(self, request: Request, basic: Basic | None) -> AuthUser:
        if basic is None:
            raise NotSignedIn(WRONG)
        user = self._remembered.find(*basic)
        if user is None:
            user = await self._checked(request, *basic)
            self._remembered.add(*basic, user)
        now = await self._verifier.current(user)
        if now is None:
            raise NotSignedIn(WRONG)
        return now

    async def _checked(self, request: Request, username: str, password: str) -> AuthUser:
        attempt = Try(username, network(request))
        if seconds := await self._logins.admit(attempt):
            raise Throttled(seconds)
        user = await self._verifier.authenticate(username, password)
        if user is None:
            raise NotSignedIn(WRONG)
        await self._logins.forgive(attempt)
        return user


def network(request: Request) -> str:
    """Where a request comes from, as far as the server itself knows."""
    return network_of(None if request.client is None else request.client.host)
