"""Sessions of people, and tokens for tries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends import logins as port
from fastapi_taskflow.backends.buckets import Bucket, Level, longest_wait, take
from fastapi_taskflow.backends.sql import tables
from fastapi_taskflow.backends.sql.loading import enter
from fastapi_taskflow.backends.sql.statements import (
    IDS,
    NOW,
    OF,
    Found,
    add,
    drop,
    find,
    locked,
    pick,
)
from fastapi_taskflow.backends.sql.store import OnStore
from fastapi_taskflow.backends.sql.tables import buckets, logins, signing
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
_EMPTY = Level(0, 0)
_SET_LEVEL = (
    sa.update(buckets)
    .where(buckets.c.name == OF)
    .values({name: sa.bindparam(name) for name in Level._fields})
)
_KEYS = locked(sa.select(signing).order_by(signing.c.number.desc()))
_SHOWN = sa.select(buckets).where(buckets.c.name.in_(IDS)).order_by(buckets.c.name)
_LEVELS = locked(_SHOWN)
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
        names = sorted({bucket.name for bucket in buckets})
        async with self._store.reading() as sql:
            found = await pick(sql, _SHOWN, names)
            wait = longest_wait(_levels(found), buckets, self._store.clock.micros())
        if wait:
            # Most tries of an attack end here: no row is locked for them.
            return wait / _MICROS_PER_SECOND
        async with self._store.writing() as tx:
            now = to_micros(tx.now)
            # Rows that are there can be locked; an empty one is cleared as others are.
            rows = [{"name": name, **_EMPTY._asdict()} for name in names]
            await tx.sql.execute(self._store.database.unless_there(tables.buckets, "name"), rows)
            found = await pick(tx.sql, _LEVELS, names)
            levels = _levels(found)
            wait = take(levels, buckets, now)
            if wait == 0:
                rows = [{"of": name, **level._asdict()} for name, level in levels.items()]
                await tx.sql.execute(_SET_LEVEL, rows)
                clear = await find(tx.sql, _CLEAR, now=now)
                await _fill(tx.sql, {one["name"] for one in clear} - {*names})
        return wait / _MICROS_PER_SECOND

    async def signing_keys(self, fresh: bytes, *, renew: float, keep: float) -> list[bytes]:
        async with self._store.writing() as tx:
            await enter(tx, ["signing"])
            found = list(await find(tx.sql, _KEYS))
            if port.is_due(found[0]["created_at"] if found else None, tx.now, renew):
                await add(tx.sql, signing, [{"key": fresh, "created_at": tx.now}])
                found = list(await find(tx.sql, _KEYS))
            old = tx.now - timedelta(seconds=keep)
            gone = [one for newer, one in pairwise(found) if newer["created_at"] <= old]
            await drop(tx.sql, signing.c.number, [one["number"] for one in gone])
            return [one["key"] for one in found if one not in gone]

    async def forget_buckets(self, names: Sequence[str]) -> None:
        if names:
            async with self._store.writing() as tx:
                await _fill(tx.sql, names)


async def _found(sql: AsyncConnection, token_hash: str) -> port.LoginSession | None:
    found = await find(sql, _FIND, of=token_hash)
    return port.LoginSession(**found[0]) if found else None


async def _fill(sql: AsyncConnection, names: Iterable[str]) -> None:
    await drop(sql, buckets.c.name, names)


def _levels(found: Iterable[Found]) -> dict[str, Level]:
    """By name; empty ones are as none."""
    levels = {one["name"]: Level(one["clear_at"], one["strikes"]) for one in found}
    return {name: level for name, level in levels.items() if level != _EMPTY}
