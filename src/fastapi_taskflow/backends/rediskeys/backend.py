"""A Redis server as a backend."""

from __future__ import annotations

from collections.abc import Callable

from fastapi_taskflow.backends.base import Backend, Batches, Finding, Grade
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.base.schedules import Schedules
from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.backends.rediskeys.batches import RedisBatches
from fastapi_taskflow.backends.rediskeys.changing import RedisTasks
from fastapi_taskflow.backends.rediskeys.checkup import findings
from fastapi_taskflow.backends.rediskeys.fleet import RedisFleet
from fastapi_taskflow.backends.rediskeys.hints import Hints
from fastapi_taskflow.backends.rediskeys.logins import RedisLogins
from fastapi_taskflow.backends.rediskeys.reading import RedisReads
from fastapi_taskflow.backends.rediskeys.rotation import RedisRotation
from fastapi_taskflow.backends.rediskeys.schedules import RedisSchedules
from fastapi_taskflow.backends.rediskeys.store import Store
from fastapi_taskflow.backends.rediskeys.upkeep import RedisUpkeep

__all__ = ["RedisStore"]


class RedisStore(RedisTasks, RedisReads, RedisFleet, RedisUpkeep, Backend):
    """Tasks in Redis; see `fastapi_taskflow.RedisBackend`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._hints = Hints(store)

    @property
    def grade(self) -> Grade:
        return self._store.grade

    @property
    def refusal(self) -> str | None:
        return self._store.refusal

    @property
    def sign_in(self) -> Logins:
        return RedisLogins(self._store)

    @property
    def schedules(self) -> Schedules:
        return RedisSchedules(self._store)

    @property
    def batches(self) -> Batches:
        return RedisBatches(self._store)

    @property
    def rotation(self) -> Rotation:
        return RedisRotation(self._store)

    async def vitals(self) -> list[Finding]:
        return await findings(self._store.onlooker())

    def onlooker(self) -> Backend:
        return self if self._store.looks else RedisStore(self._store.onlooker())

    async def open(self, on_change: Callable[[], None]) -> None:
        await self._store.open()
        if not self._store.looks:
            self._hints.start(on_change)

    async def close(self) -> None:
        await self._hints.stop()
        await self._store.close()
