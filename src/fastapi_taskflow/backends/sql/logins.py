"""Sessions of people, and tokens for tries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.buckets import Bucket, Level, take
from fastapi_taskflow.backends.logins import (
    MOST_SESSIONS,
    PURGED,
    Logins,
    LoginSession,
    is_live,
    needs_mark,
)
from fastapi_taskflow.backends.sql.selecting import IDS, OF, chunks, selected
from fastapi_taskflow.backends.sql.store import OnStore, Writing
from fastapi_taskflow.backends.sql.tables import buckets, logins
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["SqlLogins"]

_MICROS_PER_SECOND = 1_000_000
_ALL = [logins.c[name] for name in LoginSession._fields]
_FIND = select(*_ALL).where(logins.c.token_hash == OF)
_OPEN = insert(logins)
_MARK = update(logins).where(logins.c.token_hash == OF).values(seen_at=bindparam("now"))
_CLOSE = delete(logins).where(logins.c.token_hash.in_(IDS))
_OVER = (
    select(logins.c.token_hash)
    .where(or_(logins.c.expires_at <= bindparam("now"), logins.c.seen_at < bindparam("unused")))
    .limit(PURGED)
    .with_for_update(skip_locked=True)
)
_TOO_MANY = (
    select(logins.c.token_hash)
    .where(logins.c.user == OF)
    .order_by(logins.c.created_at.desc(), logins.c.token_hash)
    .offset(MOST_SESSIONS)
)
_LEVELS = select(buckets).where(buckets.c.name.in_(IDS)).order_by(buckets.c.name).with_for_update()
_CLEAR = (
    select(buckets.c.name)
    .where(buckets.c.clear_at <= bindparam("now"))
    .limit(PURGED)
    .with_for_update(skip_locked=True)
)
_EMPTY = delete(buckets).where(buckets.c.name.in_(IDS))
_FILL = insert(buckets)


class SqlLogins(OnStore, Logins):
    """Shared by all instances on the store."""

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> LoginSession:
        async with self._store.writing() as tx:
            over = {"now": tx.now, "unused": tx.now - timedelta(seconds=idle)}
            await _close(tx, (await tx.sql.execute(_OVER, over)).scalars().all())
            session = await _found(tx.sql, token_hash)
            if session is not None:
                return session
            until = tx.now + timedelta(seconds=life)
            session = LoginSession(token_hash, user, role, tx.now, until, tx.now)
            await tx.sql.execute(_OPEN, session._asdict())
            await _close(tx, (await tx.sql.execute(_TOO_MANY, {"of": user})).scalars().all())
        return session

    async def find_session(self, token_hash: str, *, idle: float) -> LoginSession | None:
        async with self._store.reading() as sql:
            session = await _found(sql, token_hash)
        now = self._store.clock.now()
        if session is None or not is_live(session, now, idle):
            return None
        if not needs_mark(session, now, idle):
            return session
        try:
            async with self._store.writing() as tx:
                await tx.sql.execute(_MARK, {"of": token_hash, "now": now})
        except StoreUnavailable:
            # It can be read but not written: that signs nobody out.
            return session
        return session._replace(seen_at=now)

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        wanted = select(logins.c.token_hash)
        if token_hash is not None:
            wanted = wanted.where(logins.c.token_hash == token_hash)
        if user is not None:
            wanted = wanted.where(logins.c.user == user)
        async with self._store.writing() as tx:
            found = (await tx.sql.execute(wanted.with_for_update())).scalars().all()
            await _close(tx, found)
        return len(found)

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        if not buckets:
            return 0.0
        async with self._store.writing() as tx:
            now = to_micros(tx.now)
            names = [bucket.name for bucket in buckets]
            found = await selected(tx.sql, _LEVELS, names)
            levels = {one["name"]: Level(one["clear_at"], one["strikes"]) for one in found}
            wait = take(levels, buckets, now)
            if wait == 0:
                clear = (await tx.sql.execute(_CLEAR, {"now": now})).scalars().all()
                await _empty(tx, [*clear, *levels])
                rows = [{"name": name, **level._asdict()} for name, level in levels.items()]
                await tx.sql.execute(_FILL, rows)
        return wait / _MICROS_PER_SECOND

    async def forget_buckets(self, names: Sequence[str]) -> None:
        if names:
            async with self._store.writing() as tx:
                await _empty(tx, names)


async def _found(sql: AsyncConnection, token_hash: str) -> LoginSession | None:
    found = (await sql.execute(_FIND, {"of": token_hash})).mappings().first()
    return None if found is None else LoginSession(**found)


async def _close(tx: Writing, tokens: Sequence[str]) -> None:
    for chunk in chunks(tokens):
        await tx.sql.execute(_CLOSE, chunk)


async def _empty(tx: Writing, names: Sequence[str]) -> None:
    for chunk in chunks(names):
        await tx.sql.execute(_EMPTY, chunk)
