"""Sessions of people, and tokens for tries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends import logins as port
from fastapi_taskflow.backends.buckets import Bucket, Level, take
from fastapi_taskflow.backends.sql import tables
from fastapi_taskflow.backends.sql.statements import (
    IDS,
    NOW,
    OF,
    add,
    drop,
    find,
    locked,
    pick,
)
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.backends.sql.tables import buckets, logins
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["SqlLogins"]

_MICROS_PER_SECOND = 1_000_000
_TOKEN = logins.c.token_hash
_FIND = sa.select(logins).where(_TOKEN == OF)
_MARK = sa.update(logins).where(_TOKEN == OF).values(seen_at=NOW)
_OVER = locked(
    sa.select(_TOKEN)
    .where(sa.or_(logins.c.expires_at <= NOW, logins.c.seen_at < sa.bindparam("unused")))
    .limit(port.PURGED),
    skip=True,
)
_TOO_MANY = (
    sa.select(_TOKEN)
    .where(logins.c.user == OF)
    .order_by(logins.c.created_at.desc(), _TOKEN)
    .offset(port.MOST_SESSIONS)
)
_LEVELS = locked(sa.select(buckets).where(buckets.c.name.in_(IDS)).order_by(buckets.c.name))
_CLEAR = locked(
    sa.select(buckets.c.name).where(buckets.c.clear_at <= NOW).limit(port.PURGED), skip=True
)


class SqlLogins(OnStore, port.Logins):
    """Shared by all instances on the store."""

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> port.LoginSession:
        async with self._store.writing() as tx:
            unused = tx.now - timedelta(seconds=idle)
            over = await find(tx.sql, _OVER, now=tx.now, unused=unused)
            await drop(tx.sql, _TOKEN, [one["token_hash"] for one in over])
            session = await _found(tx.sql, token_hash)
            if session is None:
                until = tx.now + timedelta(seconds=life)
                session = port.LoginSession(token_hash, user, role, tx.now, until, tx.now)
                await add(tx.sql, logins, [session._asdict()])
                many = await find(tx.sql, _TOO_MANY, of=user)
                await drop(tx.sql, _TOKEN, [one["token_hash"] for one in many])
        return session

    async def find_session(self, token_hash: str, *, idle: float) -> port.LoginSession | None:
        async with self._store.reading() as sql:
            session = await _found(sql, token_hash)
        now = self._store.clock.now()
        if session is None or not port.is_live(session, now, idle):
            return None
        if not port.needs_mark(session, now, idle):
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
        given = {"token_hash": token_hash, "user": user}
        mine = [logins.c[name] == value for name, value in given.items() if value is not None]
        async with self._store.writing() as tx:
            found = await find(tx.sql, locked(sa.select(_TOKEN).where(*mine)))
            await drop(tx.sql, _TOKEN, [one["token_hash"] for one in found])
        return len(found)

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        if not buckets:
            return 0.0
        async with self._store.writing() as tx:
            now = to_micros(tx.now)
            found = await pick(tx.sql, _LEVELS, [bucket.name for bucket in buckets])
            levels = {one["name"]: Level(one["clear_at"], one["strikes"]) for one in found}
            wait = take(levels, buckets, now)
            if wait == 0:
                clear = await find(tx.sql, _CLEAR, now=now)
                await _fill(tx.sql, [*levels, *[one["name"] for one in clear]])
                rows = [{"name": name, **level._asdict()} for name, level in levels.items()]
                await add(tx.sql, tables.buckets, rows)
        return wait / _MICROS_PER_SECOND

    async def forget_buckets(self, names: Sequence[str]) -> None:
        if names:
            async with self._store.writing() as tx:
                await _fill(tx.sql, names)


async def _found(sql: AsyncConnection, token_hash: str) -> port.LoginSession | None:
    found = await find(sql, _FIND, of=token_hash)
    return port.LoginSession(**found[0]) if found else None


async def _fill(sql: AsyncConnection, names: Sequence[str]) -> None:
    await drop(sql, buckets.c.name, names)
