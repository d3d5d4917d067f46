"""Asking a `TaskAuthBackend`: off the event loop, a few at once, and never for ever."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.rules.auth.users import AuthUser, TaskAuthBackend, judged
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.errors import UsersUnavailable

__all__ = ["Remembered", "Verifier"]

logger = logging.getLogger(__name__)

# Each check of a password takes a core and some 32 MiB for a tenth of a second.
_AT_ONCE = 4
# More would wait longer than anybody does; the throttle stops each client long before.
_WAITING = 100
_PATIENCE_SECONDS = 30.0


class Verifier:
    """Checks users for one `TaskAdmin`.

    Args:
        patience: Seconds that one check may take, with the wait for its turn.

    Raises:
        UsersUnavailable: from its methods, when the backend failed or took too long, or too
            many wait. Nobody is let in then.
    """

    def __init__(self, backend: TaskAuthBackend, *, patience: float = _PATIENCE_SECONDS) -> None:
        self._backend = backend
        self._patience = patience
        # Also one that was set on the object counts.
        own = getattr(backend.current_user, "__func__", None)
        self._asks_again = own is not TaskAuthBackend.current_user
        self._threads = DaemonThreads(_AT_ONCE, name="taskflow-login")
        self._waiting = 0

    async def authenticate(self, username: str, password: str) -> AuthUser | None:
        """The user with this name and password, if there is one."""
        if not password:
            # A directory may take a bind without a password for an anonymous one, and allow it.
            return None
        verdict = await self._ask(self._backend.authenticate_user, username, password)
        return judged(verdict, AuthUser(username))

    async def current(self, user: AuthUser) -> AuthUser | None:
        """The user as they are now; None: they may not go on."""
        if not self._asks_again:
            return user
        now = judged(await self._ask(self._backend.current_user, user), user)
        # The session is that user's, and nobody else's.
        return now if now is not None and now.name == user.name else None

    async def _ask(self, check: Callable[..., Any], *args: object) -> Any:
        if self._waiting >= _WAITING:
            raise UsersUnavailable("Too many sign in at this moment. Try again soon.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                if inspect.iscoroutinefunction(check):
                    return await check(*args)
                verdict = await self._in_thread(check, *args)
                # Of a wrapper or lambda around a coroutine function.
                return await verdict if inspect.isawaitable(verdict) else verdict
        # The app's own code runs here; whatever it raises lets nobody in.
        except Exception as error:
            logger.exception("The check of users failed")
            raise UsersUnavailable("The check of users failed. Nobody can sign in now.") from error
        finally:
            self._waiting -= 1

    async def _in_thread(self, check: Callable[..., Any], *args: object) -> Any:
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                verdict = check(*args)
            # Also SystemExit, which would end this thread here and the server over there.
            except BaseException as error:
                failure = RuntimeError(f"It raised {type(error).__name__}")
                failure.__cause__ = error
                future.set_exception(failure)
            else:
                future.set_result(verdict)

        self._threads.submit(run)
        return await asyncio.wrap_future(future)


class _Known(NamedTuple):
    digest: bytes
    user: AuthUser
    until: float


class Remembered:
    """Right passwords of the last minute, for scripts that send theirs with each request.

    Only a keyed digest is kept, under a key that is born and dies with this object.
    """

    _SECONDS = 60.0
    _MOST = 256

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        # By name; oldest first.
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def find(self, username: str, password: str) -> AuthUser | None:
        """The user, if this password was right within the last minute."""
        known = self._known.get(username)
        if known is None or SYSTEM_CLOCK.monotonic() >= known.until:
            return None
        return known.user if hmac.compare_digest(known.digest, self._digest(password)) else None

    def add(self, username: str, password: str, user: AuthUser) -> None:
        """This password is right."""
        until = SYSTEM_CLOCK.monotonic() + self._SECONDS
        self._known.pop(username, None)
        self._known[username] = _Known(self._digest(password), user, until)
        if len(self._known) > self._MOST:
            self._known.popitem(last=False)

    def _digest(self, password: str) -> bytes:
        return hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), "sha256")
