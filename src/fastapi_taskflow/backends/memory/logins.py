"""Sessions and token buckets in memory; apart from tasks, so behind a lock of their own."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from fastapi_taskflow.backends.buckets import Bucket, Level, take
from fastapi_taskflow.backends.logins import (
    MOST_SESSIONS,
    PURGED,
    Logins,
    LoginSession,
    is_due,
    is_live,
    needs_mark,
)
from fastapi_taskflow.words.clock import Clock

__all__ = ["MemoryLogins"]

_MICROS_PER_SECOND = 1_000_000


class MemoryLogins(Logins):
    """The verbs of sign-in.

    Args:
        clock: The store's clock.
    """

    def __init__(self, clock: Clock) -> None:
        # Makes a verb atomic across event loops.
        self._login_lock = threading.Lock()
        self._sessions = _Sessions(clock)
        self._buckets = _Buckets(clock)
        # Newest first, with when each was made.
        self._keys: list[tuple[datetime, bytes]] = []
        self._clock = clock

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        with self._login_lock:
            return self._sessions.open(token_hash, user, role, life, idle)

    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        with self._login_lock:
            return self._sessions.find(token_hash, idle)

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        with self._login_lock:
            return self._sessions.close(token_hash, user)

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        with self._login_lock:
            return self._buckets.take(buckets)

    async def signing_keys(self, fresh: bytes, *, renew: float, keep: float) -> list[bytes]:
        with self._login_lock:
            now, keys = self._clock.now(), self._keys
            if is_due(keys[0][0] if keys else None, now, renew):
                keys.insert(0, (now, fresh))
            old = now - timedelta(seconds=keep)
            # One stands for as long as the one after it is younger.
            keys[1:] = [one for newer, one in pairwise(keys) if newer[0] > old]
            return [key for _, key in keys]

    async def forget_buckets(self, names: Sequence[str]) -> None:
        with self._login_lock:
            self._buckets.forget(names)


class _Sessions:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By token, those that were seen longest ago first.
        self._sessions: OrderedDict[str, LoginSession] = OrderedDict()

    def open(self, token_hash: str, user: str, role: str, life: float, idle: float) -> LoginSession:
        now = self._clock.now()
        for _ in range(PURGED):
            first = next(iter(self._sessions.values()), None)
            if first is None or is_live(first, now, idle):
                break
            del self._sessions[first.token_hash]
        known = self._sessions.get(token_hash)
        if known is not None:
            return known
        of_user = [one for one in self._sessions.values() if one.user == user]
        if len(of_user) >= MOST_SESSIONS:
            del self._sessions[min(of_user, key=lambda one: one.created_at).token_hash]
        expires_at = now + timedelta(seconds=life)
        session = LoginSession(token_hash, user, role, now, expires_at, now)
        self._sessions[token_hash] = session
        return session

    def find(self, token_hash: str, idle: float) -> LoginSession | None:
        now = self._clock.now()
        session = self._sessions.get(token_hash)
        if session is None or not is_live(session, now, idle):
            return None
        if needs_mark(session, now, idle):
            session = self._sessions[token_hash] = session._replace(seen_at=now)
            self._sessions.move_to_end(token_hash)
        return session

    def close(self, token_hash: str | None, user: str | None) -> int:
        gone = [
            one.token_hash
            for one in self._sessions.values()
            if token_hash in (None, one.token_hash) and user in (None, one.user)
        ]
        for one in gone:
            del self._sessions[one]
        return len(gone)


class _Buckets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._levels: dict[str, Level] = {}
        # Every level has an entry at its clear_at; those of earlier levels are void.
        self._clearing: list[tuple[int, str]] = []

    def take(self, buckets: Sequence[Bucket]) -> float:
        now = self._clock.micros()
        self._purge(now)
        wait = take(self._levels, buckets, now)
        if wait == 0:
            for bucket in buckets:
                heapq.heappush(self._clearing, (self._levels[bucket.name].clear_at, bucket.name))
        return wait / _MICROS_PER_SECOND

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            self._levels.pop(name, None)

    def _purge(self, now: int) -> None:
        for _ in range(PURGED):
            if not self._clearing or self._clearing[0][0] > now:
                return
            _, name = heapq.heappop(self._clearing)
            if name in self._levels and self._levels[name].clear_at <= now:
                del self._levels[name]
