"""Signing in and out: sessions and tries, shared by all instances on a store, and audited."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import NamedTuple

from fastapi_taskflow.backends import logins
from fastapi_taskflow.backends.buckets import Bucket, bucket_name
from fastapi_taskflow.backends.logins import LoginSession
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk, note
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.auth.throttle import account_key
from fastapi_taskflow.rules.auth.tokens import new_token, token_hash
from fastapi_taskflow.rules.auth.users import AuthUser
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Begun", "Logins", "Try"]

logger = logging.getLogger(__name__)

# A session that nobody uses. OWASP's range for tools like this one is 15 to 30 minutes.
_IDLE_SECONDS = 1_800.0
# See `backends.buckets`, which explains these figures.
_PAIR = Bucket("", capacity=5, refill=12.0, delay=2.0)
_NETWORK = Bucket("", capacity=30, refill=2.0)
# Refusals come as fast as a client likes: one entry for each network in so many seconds.
_TELL_SECONDS = 60.0
_MOST_TOLD = 1_000
_TARGET = "session"


class Begun(NamedTuple):
    """A session that has begun, and the token that is told to nobody but its browser."""

    token: str
    session: LoginSession


class Try(NamedTuple):
    """One try at a password: whose, and from where (see `auth.throttle.network_of`)."""

    username: str
    network: str

    @property
    def pair(self) -> str:
        """Name of the bucket of this account and network."""
        return bucket_name("pair", account_key(self.username), self.network)

    def buckets(self) -> list[Bucket]:
        """All that it takes a token from."""
        network = bucket_name("network", self.network)
        return [_PAIR._replace(name=self.pair), _NETWORK._replace(name=network)]


class Logins(Desk):
    """Sessions of one `TaskAdmin`; they need the manager's running engine.

    Args:
        realm: Which one; a token is worth nothing in another.
        life: Seconds after which a session ends, however busy it is.

    Raises:
        ConfigurationError: the store's backend has no `Backend.sign_in`.
        EngineNotRunning, StoreUnavailable: from every method. Nobody is let in then.
    """

    def __init__(self, runtime: Runtime, *, realm: str, life: float) -> None:
        super().__init__(runtime)
        if runtime.backend.sign_in is None:
            raise ConfigurationError(
                f"Nobody can sign in with {runtime.backend.place} as store: it implements no "
                "Backend.sign_in. Leave auth= out, or use another backend."
            )
        self._realm = realm
        self._life = life
        # When the audit heard of a network last, on the monotonic clock; oldest first.
        self._told: OrderedDict[str, float] = OrderedDict()

    # Tries

    async def admit(self, attempt: Try) -> float:
        """Take the tokens of one try, before its password is looked at.

        Returns:
            0.0: go on. Else seconds to wait: there were too many tries, and the audit says so.
        """
        seconds = await self._sign_in.take_tokens(attempt.buckets())
        if seconds > 0 and self._is_news(attempt.network):
            logger.warning("Too many tries to sign in from %s", attempt.network)
            who = {"user": attempt.username, "network": attempt.network}
            detail = {"refused": "too many tries", **who}
            await note(self.engine, "login", _TARGET, ANONYMOUS, detail)
        return seconds

    async def forgive(self, attempt: Try) -> None:
        """After a right password: forget earlier wrong ones of this account and network."""
        await self._sign_in.forget_buckets([attempt.pair])

    def _is_news(self, network: str) -> bool:
        now = SYSTEM_CLOCK.monotonic()
        if now - self._told.get(network, -_TELL_SECONDS) < _TELL_SECONDS:
            return False
        self._told[network] = now
        self._told.move_to_end(network)
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        return True

    # Sessions

    async def begin(self, user: AuthUser, *, network: str, replaced: str | None) -> Begun:
        """Begin a session.

        Args:
            replaced: Token of the session that the browser had before; it ends.
        """
        token = new_token()
        key = token_hash(token, self._realm)
        assert key is not None  # noqa: S101  (it is a token)
        if replaced is not None:
            await self._close(replaced)
        session = await self._sign_in.open_session(
            key, user.name, user.role, life=self._life, idle=_IDLE_SECONDS
        )
        detail = {"role": user.role, "network": network}
        await note(self.engine, "login", _TARGET, user.name, detail)
        return Begun(token, session)

    async def find(self, token: str) -> LoginSession | None:
        """The live session of a token; None: there is none. This counts as its use."""
        key = token_hash(token, self._realm)
        if key is None:
            return None
        return await self._sign_in.find_session(key, idle=_IDLE_SECONDS)

    async def end(self, token: str, *, network: str, everywhere: bool) -> bool:
        """End the session of a token, on all instances at once; False if there was none.

        Args:
            everywhere: End all sessions of its user, in every browser.
        """
        session = await self.find(token)
        if session is None:
            return False
        if everywhere:
            ended = await self._sign_in.close_sessions(user=session.user)
        else:
            ended = await self._close(token)
        detail = {"everywhere": everywhere, "sessions": ended, "network": network}
        await note(self.engine, "logout", _TARGET, session.user, detail)
        return True

    async def _close(self, token: str) -> int:
        key = token_hash(token, self._realm)
        # Without a token, the verb closes the sessions of everybody.
        return 0 if key is None else await self._sign_in.close_sessions(token_hash=key)

    @property
    def _sign_in(self) -> logins.Logins:
        sign_in = self.engine.backend.sign_in
        assert sign_in is not None  # noqa: S101  (checked at construction)
        return sign_in
