"""Schedules: a hash of them by name, and a sorted set of their dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import Admission
from fastapi_taskflow.backends.base import schedules as port
from fastapi_taskflow.backends.rediskeys.applying import apply
from fastapi_taskflow.backends.rediskeys.changing import admit
from fastapi_taskflow.backends.rediskeys.documents import Documents
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.unit import OnStore
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.scheduling import answers, groups_of, heard
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["RedisSchedules"]

_SCHEDULES = Documents(port.StoredSchedule)


class RedisSchedules(OnStore, port.Schedules):
    """Shared by all instances on the store."""

    async def due(self, *, limit: int) -> port.DueSchedules:
        await self._store.set_clock()
        now = self._store.clock.now()
        key = self._store.key("dates")
        (found,) = await self._store.read(("ZRANGE", key, 0, limit, "WITHSCORES"))
        dates = [from_micros(int(float(one))) for one in found[1::2]]
        ripe = sum(one <= now for one in dates[:limit])
        rest = dates[ripe:]
        wait = (rest[0] - now).total_seconds() if rest else None
        kept = await self.find(texts(found[: 2 * ripe : 2]))
        return port.DueSchedules(now, wait, [one for one in kept if one is not None])

    async def find(self, names: Sequence[str]) -> list[port.StoredSchedule | None]:
        if not names:
            return []
        (found,) = await self._store.read(("HMGET", self._store.key("schedules"), *names))
        return [_read(one) for one in found]

    async def page(self, *, limit: int, after: str = "") -> list[port.StoredSchedule]:
        (found,) = await self._store.read(("HKEYS", self._store.key("schedules")))
        names = sorted(name for name in texts(found) if name > after)[:limit]
        return [one for one in await self.find(names) if one is not None]

    async def change(
        self,
        changes: Sequence[port.ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        storable.check_groups([one.tasks for one in changes])
        if not changes:
            return []
        unit = await self._unit()
        await unit.load((), {"schedules": [one.name for one in changes]})
        stored = map(_read, unit.at["schedules"].values())
        fits = heard({one.name: one.version for one in stored if one is not None}, changes)
        plan = Plan(unit.now)
        admitted = await admit(unit, plan, groups_of(changes, fits), limits or {}, key_ttl)
        kept = {one.name: one.schedule for one, ok in zip(changes, fits, strict=True) if ok}
        for name, new in kept.items():
            if new is None:
                unit.do("HDEL", "schedules", name)
            else:
                unit.do("HSET", "schedules", name, _SCHEDULES.text(new._replace(unopened=False)))
            if new is None or new.next_at is None:
                unit.remove("dates", name)
            else:
                unit.add("dates", to_micros(new.next_at), name)
        await apply(unit, plan)
        return answers(changes, fits, admitted)


def _read(raw: bytes | None) -> port.StoredSchedule | None:
    return _SCHEDULES.read(raw)
