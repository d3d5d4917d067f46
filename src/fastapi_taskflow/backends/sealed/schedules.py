"""Schedules whose arguments the store never sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi_taskflow.backends.base import (
    Admission,
    DueSchedules,
    ScheduleChange,
    Schedules,
    StoredSchedule,
)
from fastapi_taskflow.backends.sealed.values import Opener, Sealer

__all__ = ["SealedSchedules"]


class SealedSchedules(Schedules):
    """The schedules of a `SealedBackend`."""

    def __init__(self, inner: Schedules, sealer: Sealer | None, opener: Opener) -> None:
        self._inner = inner
        self._sealer = sealer
        self._opener = opener

    async def due(self, *, limit: int) -> DueSchedules:
        now, wait, found = await self._inner.due(limit=limit)
        return DueSchedules(now, wait, list(map(self._opener.schedule, found)))

    async def find(self, names: Sequence[str]) -> list[StoredSchedule | None]:
        found = await self._inner.find(names)
        return [None if one is None else self._opener.schedule(one) for one in found]

    async def page(self, *, limit: int, after: str = "") -> list[StoredSchedule]:
        found = await self._inner.page(limit=limit, after=after)
        return list(map(self._opener.schedule, found))

    async def change(
        self,
        changes: Sequence[ScheduleChange],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[tuple[Admission, ...] | None]:
        if self._sealer is not None:
            changes = list(map(self._sealer.change, changes))
        return await self._inner.change(list(map(_stored, changes)), limits, key_ttl=key_ttl)


def _stored(change: ScheduleChange) -> ScheduleChange:
    """No mark of this process's keys is stored."""
    if change.schedule is None or not change.schedule.unopened:
        return change
    return change._replace(schedule=change.schedule._replace(unopened=False))
