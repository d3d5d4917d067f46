"""Sessions and token buckets: the verbs of sign-in, and what they do in a transaction.

Nothing here asks for room on the disk first (`Job.admits`): the rows are few and small,
and whoever makes room on a full disk may have to sign in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.buckets import Bucket, Level, longest_wait, take
from fastapi_taskflow.backends.logins import (
    MOST_SESSIONS,
    PURGED,
    Logins,
    LoginSession,
    is_due,
    is_live,
    needs_mark,
)
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.rows import due_time, span
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["SqliteLogins"]

_MICROS_PER_SECOND = 1_000_000

_OPEN = (
    "INSERT OR IGNORE INTO @sessions (token_hash, user, role, created_at, expires_at, seen_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_FIND = (
    "SELECT token_hash, user, role, created_at, expires_at, seen_at FROM @sessions"
    " WHERE token_hash = ?"
)
_MARK = "UPDATE @sessions SET seen_at = ? WHERE token_hash = ?"
_CLOSE_ALL = "DELETE FROM @sessions"
_CLOSE_ONE = "DELETE FROM @sessions WHERE token_hash = ? AND coalesce(user = ?, 1)"
_CLOSE_USER = "DELETE FROM @sessions WHERE user = ?"
# Those past their end are not seen any more either.
_UNSEEN = (
    "DELETE FROM @sessions WHERE seq IN (SELECT seq FROM @sessions WHERE seen_at < ?"
    " ORDER BY seen_at LIMIT ?)"
)
_TOO_MANY = (
    "DELETE FROM @sessions WHERE seq IN (SELECT seq FROM @sessions WHERE user = ?"
    " ORDER BY seq DESC LIMIT -1 OFFSET ?)"
)
_LEVELS = Rows("SELECT name, clear_at, strikes FROM @buckets WHERE name IN ({rows})", 1)
_PUT = Rows(
    "INSERT OR REPLACE INTO @buckets (name, clear_at, strikes) VALUES {rows}", 3, padded=False
)
_FORGET = Rows("DELETE FROM @buckets WHERE name IN ({rows})", 1)
_CLEAR = (
    "DELETE FROM @buckets WHERE name IN (SELECT name FROM @buckets WHERE clear_at <= ?"
    " ORDER BY clear_at LIMIT ?)"
)


_KEYS = "SELECT seq, key, created_at FROM @signing ORDER BY seq DESC"
_ADD_KEY = "INSERT INTO @signing (key, created_at) VALUES (?, ?)"
_OLD_KEYS = (
    "DELETE FROM @signing WHERE EXISTS (SELECT 1 FROM @signing AS newer"
    " WHERE newer.seq > @signing.seq AND newer.created_at <= ?)"
)


class SqliteLogins(Logins):
    """The verbs of sign-in."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        return await self._handle.write(_open, token_hash, user, role, life, idle)

    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        session = await self._handle.store.reader.read(_find, token_hash)
        now = self._handle.clock.now()
        if session is None or not is_live(session, now, idle):
            return None
        if not needs_mark(session, now, idle):
            return session
        try:
            (seen_at,) = await self._handle.batch(_mark, [token_hash])
        except StoreUnavailable:
            # It could be read: an operator must see what is wrong with a full disk.
            return session
        # None: closed since it was read.
        return None if seen_at is None else session._replace(seen_at=seen_at)

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        return await self._handle.write(_close, token_hash, user)

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        # Most tries of a flood are refused: those end here and never wait for a write.
        wait = await self._handle.store.reader.read(_look, buckets, self._handle.clock.micros())
        if wait == 0:
            (wait,) = await self._handle.batch(_take, [buckets])
        return wait / _MICROS_PER_SECOND

    async def signing_keys(self, fresh: bytes, *, renew: float, keep: float) -> list[bytes]:
        return await self._handle.write(_signing, fresh, renew, keep)

    async def forget_buckets(self, names: Sequence[str]) -> None:
        await self._handle.batch(_forget, names)


def _open(
    tx: Transaction, token_hash: str, user: str, role: str, life: float, idle: float
) -> LoginSession:
    now = tx.now
    tx.run(_UNSEEN, (now - span(idle), PURGED))
    tx.run(_OPEN, (token_hash, user, role, now, due_time(now, life), now))
    tx.run(_TOO_MANY, (user, MOST_SESSIONS))
    return _session(tx.one(_FIND, (token_hash,)))


def _find(session: Session, token_hash: str) -> LoginSession | None:
    row = session.one(_FIND, (token_hash,))
    # Whoever has a damaged one signs in again.
    return None if row is None or not _is_sound(row) else _session(row)


def _is_sound(row: Sequence[Any]) -> bool:
    texts, times = row[:3], row[3:]
    return all(isinstance(x, str) for x in texts) and all(isinstance(x, int) for x in times)


def _session(row: Sequence[Any]) -> LoginSession:
    token_hash, user, role, *times = row
    return LoginSession(token_hash, user, role, *map(from_micros, times))


def _mark(tx: Transaction, token_hashes: Sequence[str]) -> list[datetime | None]:
    now = from_micros(tx.now)
    found = {one: tx.run(_MARK, (tx.now, one)).rowcount for one in dict.fromkeys(token_hashes)}
    return [now if found[one] else None for one in token_hashes]


def _close(tx: Transaction, token_hash: str | None, user: str | None) -> int:
    if token_hash is not None:
        return tx.run(_CLOSE_ONE, (token_hash, user)).rowcount
    if user is not None:
        return tx.run(_CLOSE_USER, (user,)).rowcount
    return tx.run(_CLOSE_ALL).rowcount


def _levels(session: Session, names: Sequence[str]) -> dict[str, Level]:
    return {
        name: Level(*level)
        for name, *level in session.find(_LEVELS, names)
        # A damaged one is begun anew.
        if all(isinstance(number, int) for number in level)
    }


def _look(session: Session, buckets: Sequence[Bucket], now: int) -> int:
    return longest_wait(_levels(session, [bucket.name for bucket in buckets]), buckets, now)


def _take(tx: Transaction, tries: Sequence[Sequence[Bucket]]) -> list[int]:
    tx.run(_CLEAR, (tx.now, PURGED))
    names = {bucket.name for buckets in tries for bucket in buckets}
    before = _levels(tx, sorted(names))
    after = dict(before)
    waits = [take(after, buckets, tx.now) for buckets in tries]
    tx.write(_PUT, [(name, *level) for name, level in after.items() if before.get(name) != level])
    return waits


def _forget(tx: Transaction, names: Sequence[str]) -> list[None]:
    tx.write(_FORGET, [(name,) for name in names])
    return [None] * len(names)


def _signing(tx: Transaction, fresh: bytes, renew: float, keep: float) -> list[bytes]:
    newest = next(iter(tx.all(_KEYS)), None)
    if is_due(None if newest is None else from_micros(newest[2]), tx.present, renew):
        tx.run(_ADD_KEY, (fresh, tx.now))
    tx.run(_OLD_KEYS, (tx.now - span(keep),))
    return [key for _, key, _ in tx.all(_KEYS)]
