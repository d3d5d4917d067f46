"""Since when the tasks wait that are to start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from fastapi_taskflow.backends.rediskeys.documents import loaded
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.rows import BRIEF, lane_of, row
from fastapi_taskflow.backends.rediskeys.store import Command, Store
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["waiting_since"]

# In front of a member of a lane: its rank, then its due time; see `rows.sets_of`.
_RANK, _DUE = 10, 28
# So many that instances hold are looked at, those that came first.
_HELD = 1_000


async def waiting_since(store: Store, queues: Sequence[str]) -> dict[str, datetime]:
    """See `Backend.waiting_since`."""
    await store.set_clock()
    now = store.clock.micros()
    first: dict[str, int] = {}
    for queue, since in [
        *await _ripe(store, queues),
        *await _ripening(store, queues, now),
        *await _held(store),
    ]:
        if queue in queues and since <= first.get(queue, now):
            first[queue] = since
    return {queue: from_micros(since) for queue, since in first.items()}


async def _ripe(store: Store, queues: Sequence[str]) -> list[tuple[str, int]]:
    """Of each lane and rank the first: in a lane they are in this order."""
    (cells,) = await store.read(("HKEYS", store.key("cells")))
    named = [loaded(one) for one in cells]
    fronts = {
        (queue, lane_of(queue, func_name, suspect=suspect)): "-"
        for queue, func_name, status in named
        if status == TaskStatus.PENDING.name and queue in queues
        for suspect in (False, True)
    }
    found = []
    while fronts:
        heads = await store.read(*[_next(store, lane, at) for (_, lane), at in fronts.items()])
        after = {}
        for (queue, lane), (head, *_) in zip(fronts, (one or [None] for one in heads), strict=True):
            if head is not None:
                found.append((queue, int(head[_RANK:_DUE])))
                after[queue, lane] = f"({head[:_RANK].decode()}:"
        fronts = after
    return found


def _next(store: Store, lane: str, at: str) -> Command:
    return "ZRANGEBYLEX", store.key(f"lane:{lane}"), at, "+", "LIMIT", 0, 1


async def _ripening(store: Store, queues: Sequence[str], now: int) -> Iterable[tuple[str, int]]:
    """Of each queue the first that has fallen due since anybody claimed from it."""
    how = "(0", now, "WITHSCORES", "LIMIT", 0, 1
    found = await store.read(*[("ZRANGEBYSCORE", store.key(f"due:{q}"), *how) for q in queues])
    return [(queue, int(one[1])) for queue, one in zip(queues, found, strict=True) if one]


async def _held(store: Store) -> list[tuple[str, int]]:
    pending = store.key(f"status:{TaskStatus.PENDING.value}")
    (ids,) = await store.read(("ZRANGE", pending, 0, _HELD - 1))
    raws = await store.read(*[("HMGET", store.key(f"task:{one}"), *BRIEF) for one in texts(ids)])
    rows = [row(one, BRIEF, raw) for one, raw in zip(texts(ids), raws, strict=True) if raw[0]]
    return [
        (one.queue, to_micros(one.created_at if one.due_at is None else one.due_at))
        for one in rows
        if one.status is TaskStatus.PENDING and one.owner is not None and not one.behind
    ]
