"""Sessions of people, tokens for tries, and the keys that sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from fastapi_taskflow.backends import logins as port
from fastapi_taskflow.backends.buckets import Bucket, take
from fastapi_taskflow.backends.rediskeys.allowing import drop_clear, fill, levels_of, set_levels
from fastapi_taskflow.backends.rediskeys.documents import Documents, dumped, loaded
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.unit import OnStore, Unit
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["RedisLogins"]

_MICROS_PER_SECOND = 1_000_000
_SOME = "LIMIT", 0, port.PURGED


class _Signing(NamedTuple):
    key: bytes
    created_at: datetime


_SESSIONS, _SIGNING = Documents(port.LoginSession), Documents(_Signing)


class RedisLogins(OnStore, port.Logins):
    """Shared by all instances on the store."""

    async def open_session(
        self, token_hash: str, user: str, role: str, *, life: float, idle: float
    ) -> port.LoginSession:
        unit, key = await self._unit(), self._store.key
        unused = to_micros(unit.now - timedelta(seconds=idle))
        ended, idling, mine = await self._store.read(
            ("ZRANGEBYSCORE", key("logins:end"), "-inf", to_micros(unit.now), *_SOME),
            ("ZRANGEBYSCORE", key("logins:seen"), "-inf", f"({unused}", *_SOME),
            ("ZRANGE", key(f"logins:of:{user}"), 0, -port.MOST_SESSIONS),
        )
        over, oldest = texts([*ended, *idling][: port.PURGED]), texts(mine)
        await unit.load((), {"logins": [token_hash, *over, *oldest]})
        session = None if token_hash in over else _session(unit, token_hash)
        if session is None:
            over += oldest
            until = unit.now + timedelta(seconds=life)
            session = port.LoginSession(token_hash, user, role, unit.now, until, unit.now)
        _close(unit, over)
        _write(unit, session)
        await unit.commit()
        return session

    async def find_session(self, token_hash: str, *, idle: float) -> port.LoginSession | None:
        store = self._store
        await store.set_clock()
        ((raw,),) = await store.read(("HMGET", store.key("logins"), token_hash))
        session, now = _SESSIONS.read(raw), store.clock.now()
        if session is None or not port.is_live(session, now, idle):
            return None
        if not port.needs_mark(session, now, idle):
            return session
        return await self._mark(session, now)

    async def _mark(self, session: port.LoginSession, now: datetime) -> port.LoginSession | None:
        try:
            unit = await self._unit()
            await unit.load((), {"logins": [session.token_hash]})
            if (known := _session(unit, session.token_hash)) is None:
                return None
            session = known._replace(seen_at=now)
            _write(unit, session)
            await unit.commit()
        except StoreUnavailable:
            # It can be read but not written, or others write it now: that signs nobody out.
            return session
        return session

    async def close_sessions(
        self, *, token_hash: str | None = None, user: str | None = None
    ) -> int:
        unit, key = await self._unit(), self._store.key
        if token_hash is not None:
            names = [token_hash]
        elif user is not None:
            (found,) = await self._store.read(("ZRANGE", key(f"logins:of:{user}"), 0, -1))
            names = texts(found)
        else:
            (found,) = await self._store.read(("HKEYS", key("logins")))
            names = texts(found)
        await unit.load((), {"logins": names})
        closed = _close(unit, names, user)
        await unit.commit()
        return closed

    async def take_tokens(self, buckets: Sequence[Bucket]) -> float:
        if not buckets:
            return 0.0
        unit = await self._unit()
        now = to_micros(unit.now)
        names = [bucket.name for bucket in buckets]
        await unit.load((), {"buckets": names})
        levels = levels_of(unit, names)
        wait = take(levels, buckets, now)
        if wait == 0:
            await drop_clear(unit, names, port.PURGED)
            set_levels(unit, levels)
            await unit.commit()
        return wait / _MICROS_PER_SECOND

    async def forget_buckets(self, names: Sequence[str]) -> None:
        if names:
            unit = await self._unit()
            fill(unit, names)
            await unit.commit()

    async def signing_keys(self, fresh: bytes, *, renew: float, keep: float) -> list[bytes]:
        unit = await self._unit()
        await unit.load((), {"signing": ["keys"]})
        stored = loaded(unit.at["signing"]["keys"]) or []
        found = [one for one in map(_SIGNING.read, (text.encode() for text in stored)) if one]
        if port.is_due(found[0].created_at if found else None, unit.now, renew):
            found.insert(0, _Signing(fresh, unit.now))
        old = unit.now - timedelta(seconds=keep)
        gone = [one for newer, one in pairwise(found) if newer.created_at <= old]
        kept = [one for one in found if one not in gone]
        texts_now = [_SIGNING.text(one) for one in kept]
        if texts_now != stored:
            unit.do("HSET", "signing", "keys", dumped(texts_now))
            await unit.commit()
        return [one.key for one in kept]


def _session(unit: Unit, token_hash: str) -> port.LoginSession | None:
    return _SESSIONS.read(unit.at["logins"][token_hash])


def _write(unit: Unit, session: port.LoginSession) -> None:
    token_hash = session.token_hash
    unit.do("HSET", "logins", token_hash, _SESSIONS.text(session))
    unit.add("logins:end", to_micros(session.expires_at), token_hash)
    unit.add("logins:seen", to_micros(session.seen_at), token_hash)
    unit.add(f"logins:of:{session.user}", to_micros(session.created_at), token_hash)


def _close(unit: Unit, names: Iterable[str], user: str | None = None) -> int:
    """End sessions that were loaded, of this user alone if one is named; how many."""
    closed = 0
    for token_hash in dict.fromkeys(names):
        session = _session(unit, token_hash)
        if session is not None and user in (None, session.user):
            closed += 1
            unit.do("HDEL", "logins", token_hash)
            for name in ("logins:end", "logins:seen", f"logins:of:{session.user}"):
                unit.remove(name, token_hash)
    return closed
