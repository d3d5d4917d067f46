"""What is shown of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi_taskflow.backends import base
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.rediskeys import searching
from fastapi_taskflow.backends.rediskeys.allowing import traffic
from fastapi_taskflow.backends.rediskeys.applying import ATTEMPTS
from fastapi_taskflow.backends.rediskeys.backlog import waiting_since
from fastapi_taskflow.backends.rediskeys.documents import loaded
from fastapi_taskflow.backends.rediskeys.failures import read_failures
from fastapi_taskflow.backends.rediskeys.loading import texts, with_lines
from fastapi_taskflow.backends.rediskeys.rows import BRIEF, HEAD, WHOLE, row
from fastapi_taskflow.backends.rediskeys.unit import OnStore, in_chunks
from fastapi_taskflow.backends.rules import looking
from fastapi_taskflow.backends.rules.claiming import is_paused
from fastapi_taskflow.backends.rules.rows import Row, as_alias, shown
from fastapi_taskflow.backends.rules.sums import Sum, add_up, seconds_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["RedisReads"]


class RedisReads(OnStore, Reads):
    """Reads; each step of one is of one instant."""

    async def get(self, task_ids: Sequence[str]) -> list[base.StoredTask | None]:
        if not task_ids:
            return []
        of = await self._canonical(task_ids)
        rows = await self._rows([of.get(one, one) for one in task_ids], WHOLE)
        found = {one.record.task_id: one for one in await with_lines(self._store, rows)}
        return [
            as_alias(found[of[one]], one) if of.get(one) in found else found.get(one)
            for one in task_ids
        ]

    async def attempts(self, task_id: str) -> list[base.Attempt]:
        of = await self._canonical([task_id])
        key = self._store.key(f"attempts:{of.get(task_id, task_id)}")
        (found,) = await self._store.read(("LRANGE", key, 0, -1))
        return [one for one in map(ATTEMPTS.read, found) if one is not None]

    async def search(
        self,
        query: base.Query,
        *,
        limit: int,
        cursor: str | None = None,
        most_bytes: int | None = None,
    ) -> base.Page:
        before = None if cursor is None else looking.parse_cursor(cursor)
        fields = BRIEF if most_bytes is None else HEAD
        rows: list[Row] = []
        async for found in searching.find(self._store, query, before, limit + 1):
            for at in range(0, len(found), limit + 1):
                if len(rows) <= limit:
                    wanted = [task_id for _, task_id in found[at : at + limit + 1]]
                    rows += await self._rows(wanted, fields)
            if len(rows) > limit:
                break
        del rows[limit + 1 :]
        tasks = map(shown, rows) if most_bytes is None else await with_lines(self._store, rows)
        numbered = [(one.arrival, task) for one, task in zip(rows, tasks, strict=True)]
        return looking.page_of(numbered, limit=limit, most_bytes=most_bytes)

    async def count(self, query: base.Query, *, cap: int = 10_000) -> int:
        return await searching.count(self._store, query, cap)

    async def tally(self) -> list[base.Tally]:
        key = self._store.key
        cells, sums = await self._store.read(
            ("HGETALL", key("cells")), ("HGETALL", key(f"span:{base.Grain.EVER.name}:0"))
        )
        found: dict[tuple[str, str, str], list[float]] = {}
        for raw, number in zip(cells[::2], cells[1::2], strict=True):
            found.setdefault(tuple(loaded(raw)), [0, 0, 0.0])[0] += int(number)
        for one in _sums(0, sums):
            cell = found.setdefault((one[0], one[1].func_name, one[1].status.name), [0, 0, 0.0])
            cell[1] += one[1].ended
            cell[2] += one[1].seconds
        return [
            base.Tally(queue, name, TaskStatus[status], int(rows), int(ended), seconds)
            for (queue, name, status), (rows, ended, seconds) in found.items()
        ]

    async def rollups(self, query: base.RollupQuery) -> list[base.Rollup]:
        since, until = seconds_of(query)
        store, grain = self._store, query.grain.name
        (starts,) = await store.read(
            ("ZRANGEBYSCORE", store.key(f"spans:{grain}"), since, f"({until}")
        )
        found: list[Sum] = []
        for chunk in in_chunks(texts(starts)):
            hashes = await store.read(*[("HGETALL", store.key(f"span:{grain}:{s}")) for s in chunk])
            for start, sums in zip(chunk, hashes, strict=True):
                found += [one for _, one in _sums(int(start), sums)]
        return add_up(query, found)

    async def failures(self, query: base.FailureQuery) -> list[base.FailureGroup]:
        return await read_failures(self._store, query)

    async def traffic(
        self, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
    ) -> base.Traffic:
        return await traffic(self._store, order_keys, buckets, leased=leased, most=most)

    async def waiting_since(self, queues: Sequence[str]) -> dict[str, datetime]:
        return await waiting_since(self._store, queues)

    async def next_due(self, queues: Sequence[str]) -> float | None:
        if not queues:
            return None
        store, names = self._store, list(queues)
        await store.set_clock()
        settings, *firsts = await store.read(
            ("HMGET", store.key("queues"), *names),
            *[("ZRANGE", store.key(f"due:{one}"), 0, 0, "WITHSCORES") for one in names],
        )
        due = [
            float(first[1])
            for first, kept in zip(firsts, settings, strict=True)
            if first and not is_paused(loaded(kept) or {})
        ]
        # What is due already has no time there.
        return (min(due) - store.clock.micros()) / 1_000_000 if due else None

    async def _canonical(self, task_ids: Sequence[str]) -> dict[str, str]:
        (found,) = await self._store.read(("HMGET", self._store.key("aliases"), *task_ids))
        named = {one: raw for one, raw in zip(task_ids, found, strict=True) if raw is not None}
        return dict(zip(named, texts(named.values()), strict=True))

    async def _rows(self, task_ids: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """Those of some tasks that are there."""
        key = self._store.key
        found = await self._store.read(
            *[("HMGET", key(f"task:{one}"), *fields) for one in task_ids]
        )
        pairs = zip(task_ids, found, strict=True)
        return [row(task_id, fields, raw) for task_id, raw in pairs if raw[0] is not None]


def _sums(start: int, found: Sequence[bytes]) -> list[tuple[str, Sum]]:
    """What a span has, with the queue of each."""
    parts: dict[str, dict[str, bytes]] = {"n": {}, "s": {}, "w": {}}
    for raw, value in zip(found[::2], found[1::2], strict=True):
        name = raw.decode()
        parts[name[0]][name[1:]] = value
    numbers, seconds, waited = parts.values()
    sums = []
    for name in numbers.keys() | waited.keys():
        queue, func_name, status, bin_ = loaded(name.encode())
        one = Sum(
            start,
            func_name,
            TaskStatus[status],
            bin_,
            int(numbers.get(name, 0)),
            float(seconds.get(name, 0.0)),
            int(waited.get(name, 0)),
        )
        sums.append((queue, one))
    return sums
