"""The instances that share a store, and who takes over from the dead."""

from __future__ import annotations

from functools import lru_cache

from fastapi_taskflow.backends.base import Claimed, InstanceInfo, Peer, Signals
from fastapi_taskflow.backends.base.fleet import Fleet
from fastapi_taskflow.backends.rediskeys import loading
from fastapi_taskflow.backends.rediskeys.applying import apply
from fastapi_taskflow.backends.rediskeys.documents import Documents, dumped, loaded
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.rows import WHOLE
from fastapi_taskflow.backends.rediskeys.scripts import BEAT
from fastapi_taskflow.backends.rediskeys.unit import OnStore, Unit
from fastapi_taskflow.backends.rules import moves
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.tries import Collided

__all__ = ["RedisFleet"]

_INFOS = Documents(InstanceInfo)


class RedisFleet(OnStore, Fleet):
    """Who is alive."""

    async def enlist(self, info: InstanceInfo) -> None:
        unit, name = await self._unit(), info.instance_id
        unit.do("HSET", "instances", name, dumped({"alive": True, "info": _INFOS.text(info)}))
        unit.add("alive", 0, name)
        unit.do("HSETNX", "beats", name, 0)
        unit.do("HSET", "lags", name, "0.0 0 0")
        await unit.commit()
        await self._store.note_time()

    async def beat(
        self, instance: str, lag: float, *, running: int = 0, draining: bool = False
    ) -> bool:
        # On this event loop, which is not that of the others.
        redis = self._store.connect(1)
        try:
            if not await self._store.run(
                BEAT, instance, f"{lag!r} {running:d} {draining:d}", on=redis
            ):
                return False
            await self._store.note_time(on=redis)
            return True
        finally:
            await redis.aclose()

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        unit = await self._unit()
        ids = await loading.members(self._store, f"owner:{dead}", limit)
        await unit.load(ids, {"instances": [by, dead]}, fields=WHOLE)
        if not moves.may_recover(by, dead, alive=loading.alive(unit, by)):
            return []
        plan = Plan(unit.now)
        rows = [one for one in unit.rows.values() if one.owner == dead]
        if len(rows) < len(ids):
            raise Collided("Others recover from the same instance.")
        for one in rows:
            moves.hand_over(plan, one, by)
        if len(ids) < limit:
            unit.sized(f"owner:{dead}", len(ids))
        _leave(unit, dead, holds=len(ids) == limit)
        await apply(unit, plan)
        return await loading.claimed(self._store, rows)

    async def owned(self, instance: str) -> list[Claimed]:
        rows = await loading.owned(self._store, f"owner:{instance}")
        return await loading.claimed(self._store, [one for one in rows if one.owner == instance])

    async def retire(self, instance: str) -> None:
        unit = await self._unit()
        await unit.load((), {"instances": [instance]})
        (held,) = await self._store.read(("ZCARD", self._store.key(f"owner:{instance}")))
        unit.sized(f"owner:{instance}", held)
        _leave(unit, instance, holds=held > 0)
        unit.tells = True
        await unit.commit()

    async def signals(self, instance: str) -> Signals:
        key = self._store.key
        infos, beats, lags, asked, queues = await self._store.read(
            *[("HGETALL", key(name)) for name in ("instances", "beats", "lags")],
            ("ZRANGE", key(f"asked:{instance}"), 0, -1),
            ("HGETALL", key("queues")),
        )
        counters, late = _pairs(beats), _pairs(lags)
        peers = []
        for name, raw in sorted(_pairs(infos).items()):
            info = _info_of(raw)
            if info is not None:
                # Those of an older release have no more than the lag.
                lag, running, draining, *_ = (*late.get(name, b"0").split(), b"0", b"0")
                peers.append(
                    Peer(
                        info,
                        int(counters.get(name, 0)),
                        float(lag),
                        running=int(running),
                        draining=draining == b"1",
                    )
                )
        settings = {name: loaded(raw) or {} for name, raw in _pairs(queues).items()}
        return Signals(cancel=tuple(texts(asked)), queues=settings, peers=tuple(peers))


# Asked for all the time, and rarely another.
@lru_cache(maxsize=1_000)
def _info_of(raw: bytes) -> InstanceInfo | None:
    return _INFOS.read(((loaded(raw) or {}).get("info") or "").encode())


def _leave(unit: Unit, instance: str, *, holds: bool) -> None:
    """Not alive any more; it stays while tasks are its own."""
    unit.remove("alive", instance)
    stored = loaded(unit.at["instances"][instance])
    if not holds:
        for table in ("instances", "beats", "lags"):
            unit.do("HDEL", table, instance)
    elif stored is not None:
        unit.do("HSET", "instances", instance, dumped(stored | {"alive": False}))


def _pairs(found: list[bytes]) -> dict[str, bytes]:
    return dict(zip(texts(found[::2]), found[1::2], strict=True))
