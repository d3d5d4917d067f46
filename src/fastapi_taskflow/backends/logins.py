"""The part of the storage port that sign-in needs: sessions, and tokens for tries.

The rules of `backends.base` hold here too. What a token may do, how long it lives and how
often a password may be tried is decided above; see `backends.buckets` for the budgets.

A session's token never gets here: storage knows its sha256, which opens nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi_taskflow.backends.buckets import Bucket

__all__ = ["MOST_SESSIONS", "PURGED", "LoginSession", "Logins", "is_due", "is_live", "needs_mark"]

MOST_SESSIONS = 100
"""Of one user; the oldest goes for a newer one. More than anybody has browsers."""

PURGED = 64
"""Rows whose time is over that one write deletes at most: far more than it adds."""

_MARK_SECONDS = 60.0
_MARKS_PER_IDLE = 10


class LoginSession(NamedTuple):
    """Somebody who has signed in. ``user`` and ``role`` are the caller's words.

    ``expires_at`` is absolute. ``seen_at`` is when a request was last noted, see
    `Logins.find_session`.
    """

    token_hash: str
    user: str
    role: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime


class Logins(ABC):
    """Sessions and buckets, shared by all instances on the store."""

    @abstractmethod
    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        """Begin a session.

        Sending it again answers the session as it is; if it was closed in between, it is
        opened anew. Some of the sessions whose time is over are deleted, at most `PURGED`,
        and the user's oldest if he has more than `MOST_SESSIONS`.

        Args:
            token_hash: sha256 of the token, in hex.
            user: Who signed in.
            role: What he may do, as it stays for this session.
            life: Seconds until it ends, however busy it is.
            idle: Seconds after which sessions end that nobody used.
        """

    @abstractmethod
    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        """The session of a token; a read of what is committed, so a revocation counts at once.

        None: there is none, or it was closed, is past its end, or was not used for longer
        than ``idle`` seconds. Otherwise this use is noted, but to spare writes only where
        the last note is a minute (or a tenth of ``idle``) old; a session may so end that
        much early. A store that can be read but not written notes nothing and still answers.
        """

    @abstractmethod
    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        """End sessions: that of a token, all of a user, or with neither all there are.

        How many there were; ones that had run out may count. Sending it again is safe and
        answers what is left to close.
        """

    @abstractmethod
    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        """Take one token from every bucket, or none at all.

        0.0 where they were taken; otherwise seconds until that can succeed if nobody
        else takes any, and nothing has changed. Of any number of takers at the same time,
        on any instances, no more succeed than there are tokens. Some rows of buckets that
        are clear are deleted, at most `PURGED`.

        Sending it again after a lost reply may take a second token: too strict rather
        than too lax.

        Args:
            buckets: With different names. None: 0.0.
        """

    @abstractmethod
    async def forget_buckets(self, names: Sequence[str]) -> None:
        """Fill buckets, as if nobody had ever taken from them.

        Sending it again is safe, but forgets what was taken in between as well.
        """

    @abstractmethod
    async def signing_keys(self, fresh: bytes, *, renew: float, keep: float) -> list[bytes]:
        """The keys by which all instances sign, newest first: at least one.

        ``fresh`` becomes the newest where there is none, or the newest is older than ``renew``
        seconds; of several who send one at the same time, one wins. Those that were followed
        by a newer one ``keep`` seconds ago are deleted, and tell nobody any more.
        """


def is_due(created_at: datetime | None, now: datetime, renew: float) -> bool:
    """A newer key is to follow the one that was made then; None: there is none."""
    return created_at is None or now - created_at >= timedelta(seconds=renew)


def is_live(session: LoginSession, now: datetime, idle: float) -> bool:
    """Whether a stored session still counts."""
    return now < session.expires_at and now - session.seen_at <= timedelta(seconds=idle)


def needs_mark(session: LoginSession, now: datetime, idle: float) -> bool:
    """Whether the last note of its use is old enough for a new one."""
    return now - session.seen_at >= timedelta(seconds=min(_MARK_SECONDS, idle / _MARKS_PER_IDLE))
