"""What people do to a store, and its upkeep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Grain, Purged
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.rediskeys.applying import apply, write_key
from fastapi_taskflow.backends.rediskeys.documents import Documents, dumped, loaded
from fastapi_taskflow.backends.rediskeys.failures import forget_failures
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.unit import OnStore
from fastapi_taskflow.backends.rules.auditing import RECENT, linked
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.pausing import is_kept
from fastapi_taskflow.backends.rules.plan import Cell, Plan
from fastapi_taskflow.backends.rules.retention import oldest_kept
from fastapi_taskflow.backends.rules.telling import EXPIRED
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["RedisUpkeep"]

_MICROS_PER_SECOND = 1_000_000
# The digits of an arrival's number, in front of an id.
_NUMBER = 18
_ENTRIES = Documents(AuditEntry)


class RedisUpkeep(OnStore, Operators):
    """Queue settings, the audit trail, retention."""

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        unit = await self._unit()
        await unit.load((), {"queues": [queue]})
        merged = {**(loaded(unit.at["queues"][queue]) or {}), **settings}
        if is_kept(queue, merged):
            unit.do("HSET", "queues", queue, dumped(merged))
        else:
            unit.do("HDEL", "queues", queue)
        unit.tells = True
        await unit.commit()
        return merged

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        if not entries:
            return
        unit = await self._unit()
        # First, so that who writes meanwhile changes it.
        await unit.load(of={"heads": ["audit"]})
        recent, _ = await self._page(RECENT, None)
        previous = recent[0].hash if recent else ""
        new = linked(previous, {one.entry_id for one in recent}, entries)
        if not new:
            return
        (last,) = await self._store.read(("INCRBY", self._store.key("entries"), len(new)))
        for number, entry in enumerate(new, last - len(new) + 1):
            unit.add("audit", number, _ENTRIES.text(entry))
        unit.do("HSET", "heads", "audit", new[-1].hash)
        await unit.commit()

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        return await self._page(limit, cursor)

    async def _page(self, limit: int, cursor: str | None) -> tuple[list[AuditEntry], str | None]:
        before = "+inf" if cursor is None else f"({parse_cursor(cursor)}"
        how = before, "-inf", "WITHSCORES", "LIMIT", 0, limit + 1
        (found,) = await self._store.read(("ZREVRANGEBYSCORE", self._store.key("audit"), *how))
        page = [_hashed(one) for one in map(_ENTRIES.read, found[: 2 * limit : 2]) if one]
        more = len(found) > 2 * limit
        return page, str(int(found[2 * limit - 1])) if more else None

    async def purgeable(self, before: datetime, *, cap: int = 10_000) -> int:
        store = self._store
        await store.set_clock()
        end = to_micros(before + store.clock.lead(store.clock.now()))
        (found,) = await store.read(("ZCOUNT", store.key("ended"), "-inf", f"({end}"))
        return min(cap, int(found))

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        gone = () if before is None else await self._purge_tasks(before, limit)
        keys = await self._free_keys(limit)
        results = await self._expire_results(limit)
        sums = await self._drop_sums(limit)
        done = 0 if before is None else await self._purge_batches(before, limit)
        return Purged(gone, keys, sums, results, done)

    async def _due(self, name: str, before: float, limit: int) -> list[str]:
        """The first of a set of dates, before one of them."""
        how = "-inf", f"({before}", "LIMIT", 0, limit
        (found,) = await self._store.read(("ZRANGEBYSCORE", self._store.key(name), *how))
        return texts(found)

    async def _purge_tasks(self, before: datetime, limit: int) -> tuple[str, ...]:
        unit = await self._unit()
        plan = Plan(unit.now)
        found = await self._due("ended", to_micros(before + unit.lead), limit)
        ids = [one[_NUMBER:] for one in found]
        await unit.load(ids)
        for task_id in ids:
            if (row := unit.rows.get(task_id)) is not None:
                plan.delete(task_id, Cell(row.queue, row.func_name, row.status))
        await apply(unit, plan)
        return tuple(plan.deleted)

    async def _free_keys(self, limit: int) -> int:
        unit = await self._unit()
        now = to_micros(unit.now)
        names = await self._due("expiring", now + 1, limit)
        await unit.load((), {"keys": names})
        for name in names:
            write_key(unit, name, None)
        await unit.commit()
        return len(names)

    async def _expire_results(self, limit: int) -> int:
        unit = await self._unit()
        found = await self._due("results", to_micros(unit.now) + 1, limit)
        await unit.load(found)
        for row in unit.rows.values():
            row.result = row.result_until = None
            row.result_missing = EXPIRED
            unit.put(row, ["result"])
        await unit.commit()
        return len(found)

    async def _drop_sums(self, limit: int) -> int:
        """Spans of time that are too old; how many that were."""
        unit, touched = await self._unit(), 0
        for grain in Grain:
            before = oldest_kept(grain, to_micros(unit.now) // _MICROS_PER_SECOND)
            if before is not None and touched < limit:
                old = await self._due(f"spans:{grain.name}", before, limit - touched)
                touched += len(old)
                for start in old:
                    unit.do("UNLINK", f"span:{grain.name}:{start}")
                    unit.remove(f"spans:{grain.name}", start)
        touched += await forget_failures(unit, limit - touched)
        await unit.commit()
        return touched

    async def _purge_batches(self, before: datetime, limit: int) -> int:
        unit = await self._unit()
        found = await self._due("batches:ended", to_micros(before + unit.lead), limit)
        await unit.load((), {"batches": found})
        for batch_id in found:
            (held,) = await self._store.read(
                ("ZRANGE", self._store.key(f"calls:{batch_id}"), 0, -1)
            )
            for task_id in texts(held):
                unit.do("HDEL", "calls", task_id)
                unit.remove("calls:held", task_id)
            unit.do("UNLINK", f"calls:{batch_id}")
            unit.do("HDEL", "batches", batch_id)
            unit.remove("batches:all", batch_id)
            unit.remove("batches:ended", batch_id)
        await unit.commit()
        return len(found)


def _hashed(entry: AuditEntry) -> AuditEntry:
    """Those from before the chain have no hash."""
    return replace(entry, previous=entry.previous or "", hash=entry.hash or "")
