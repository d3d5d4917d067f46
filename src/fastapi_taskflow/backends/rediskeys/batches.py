"""Batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import Admission
from fastapi_taskflow.backends.base import batches as port
from fastapi_taskflow.backends.rediskeys.applying import apply
from fastapi_taskflow.backends.rediskeys.batchrows import BATCHES, CALLS, write_call
from fastapi_taskflow.backends.rediskeys.changing import admit
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.unit import OnStore
from fastapi_taskflow.backends.rules.batching import begin
from fastapi_taskflow.backends.rules.batchrows import shown
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.plan import Plan

__all__ = ["RedisBatches"]


class RedisBatches(OnStore, port.Batches):
    """Shared by all instances on the store."""

    async def add(
        self,
        batches: Sequence[port.NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        storable.check_batches(batches)
        if not batches:
            return []
        unit = await self._unit()
        await unit.load((), {"batches": [one.batch_id for one in batches]})
        plan = Plan(unit.now)
        answers = await admit(unit, plan, [one.tasks for one in batches], limits or {}, key_ttl)
        begun = [
            begin(new, answer)
            for new, answer in zip(batches, answers, strict=True)
            if unit.at["batches"][new.batch_id] is None
        ]
        await apply(unit, plan, new={one.batch_id: one for one in begun if one is not None})
        return answers

    async def find(self, batch_ids: Sequence[str]) -> list[port.StoredBatch | None]:
        if not batch_ids:
            return []
        key = self._store.key
        kept, *running = await self._store.read(
            ("HMGET", key("batches"), *batch_ids),
            *[("ZCARD", key(f"running:{one}")) for one in batch_ids],
        )
        found = [(BATCHES.read(raw), number) for raw, number in zip(kept, running, strict=True)]
        return [None if batch is None else shown(batch, number) for batch, number in found]

    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[port.StoredBatch], str | None]:
        before = "+inf" if cursor is None else f"({parse_cursor(cursor)}"
        how = before, "-inf", "WITHSCORES", "LIMIT", 0, limit + 1
        (found,) = await self._store.read(
            ("ZREVRANGEBYSCORE", self._store.key("batches:all"), *how)
        )
        page = [one for one in await self.find(texts(found[: 2 * limit : 2])) if one is not None]
        more = len(found) > 2 * limit
        return page, str(int(found[2 * limit - 1])) if more else None

    async def held(self, *, limit: int, after: str = "") -> list[port.HeldCall]:
        key = self._store.key
        first = b"(" + after.encode("utf-8", "surrogatepass") if after else "-"
        how = first, "+", "LIMIT", 0, limit
        (names,) = await self._store.read(("ZRANGEBYLEX", key("calls:held"), *how))
        if not names:
            return []
        (kept,) = await self._store.read(("HMGET", key("calls"), *names))
        found = []
        for task_id, call in zip(texts(names), map(CALLS.read, kept), strict=True):
            with suppress(ValueError):
                if call is not None and call.payload is not None:
                    kind = port.Callback(call.kind)
                    found.append(port.HeldCall(call.batch_id, kind, task_id, call.payload))
        return found

    async def reseal(self, changes: Sequence[tuple[port.HeldCall, bytes]]) -> list[bool]:
        answers: list[bool] = []
        for one, new in changes:
            unit = await self._unit()
            await unit.load((), {"calls": [one.task_id]})
            call = CALLS.read(unit.at["calls"][one.task_id])
            fits = call is not None and call.payload == one.payload
            answers.append(fits)
            if call is not None and fits:
                write_call(unit, one.task_id, call._replace(payload=new))
                await unit.commit()
        return answers
