"""Groups of failed attempts: what a plan adds, what is read, what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery
from fastapi_taskflow.backends.rediskeys.store import Store
from fastapi_taskflow.backends.rediskeys.unit import Unit
from fastapi_taskflow.backends.rules.failing import (
    GRAINS,
    Seen,
    Times,
    add_up,
    oldest_seen,
    span_begin,
)
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["add_failures", "forget_failures", "read_failures"]

_MICROS_PER_SECOND = 1_000_000
_MOST_GROUPS = 5_000
_FIELDS = "func_name", "kind", "first_at", "last_at", "times", "task_id"


def add_failures(unit: Unit, plan: Plan) -> None:
    """Count the failed attempts of a plan."""
    now = to_micros(plan.now)
    for one in plan.failed:
        name = f"failures:{one.group}"
        told = "func_name", one.func_name, "kind", one.kind, "task_id", one.task_id
        unit.do("HSETNX", name, "first_at", now)
        unit.do("HSET", name, *told, "last_at", now)
        unit.count(name, "times", one.times)
        unit.add("failures", now, one.group)
        for grain in GRAINS:
            start = span_of(grain, now // _MICROS_PER_SECOND)
            unit.count(f"failed:{grain.name}:{start}", one.group, one.times)
            unit.add(f"failed:{grain.name}", start, start)


async def read_failures(store: Store, query: FailureQuery) -> list[FailureGroup]:
    """See `Backend.failures`."""
    if query.group is not None:
        groups = [query.group.encode("utf-8", "surrogatepass")]
    else:
        since = "-inf" if query.since is None else to_micros(query.since)
        how = "+inf", since, "LIMIT", 0, _MOST_GROUPS
        (groups,) = await store.read(("ZREVRANGEBYSCORE", store.key("failures"), *how))
    names = [one.decode("utf-8", "surrogatepass") for one in groups]
    found = await store.read(*[("HMGET", store.key(f"failures:{one}"), *_FIELDS) for one in names])
    pairs = zip(names, found, strict=True)
    seen = [_seen(name, values) for name, values in pairs if None not in values]
    begin = span_begin(query)
    times = [] if begin is None else await _times(store, query.grain.name, begin)
    return add_up(query, seen, times)


def _seen(group: str, values: Sequence[bytes]) -> Seen:
    func_name, kind, first_at, last_at, times, task_id = (
        one.decode("utf-8", "surrogatepass") for one in values
    )
    first, last = from_micros(int(first_at)), from_micros(int(last_at))
    return Seen(group, func_name, kind, first, last, int(times), task_id)


async def _times(store: Store, grain: str, begin: int) -> list[Times]:
    (starts,) = await store.read(("ZRANGEBYSCORE", store.key(f"failed:{grain}"), begin, "+inf"))
    found = []
    for start in map(int, starts):
        (numbers,) = await store.read(("HGETALL", store.key(f"failed:{grain}:{start}")))
        for raw, number in zip(numbers[::2], numbers[1::2], strict=True):
            found.append(Times(raw.decode("utf-8", "surrogatepass"), start, int(number)))
    return found


async def forget_failures(unit: Unit, limit: int) -> int:
    """Drop what is too old; how many rows that were."""
    store, second, left = unit.store, to_micros(unit.now) // _MICROS_PER_SECOND, limit
    if left > 0:
        oldest = f"({oldest_seen(second) * _MICROS_PER_SECOND}"
        how = "-inf", oldest, "LIMIT", 0, left
        (groups,) = await store.read(("ZRANGEBYSCORE", store.key("failures"), *how))
        for group in (one.decode("utf-8", "surrogatepass") for one in groups):
            # One that fails again just now stays.
            await unit.load((), {f"failures:{group}": ["last_at"]})
            unit.do("UNLINK", f"failures:{group}")
            unit.remove("failures", group)
        left -= len(groups)
    for grain in GRAINS:
        before = oldest_kept(grain, second)
        if before is not None and left > 0:
            how = "-inf", f"({before}", "LIMIT", 0, left
            (old,) = await store.read(("ZRANGEBYSCORE", store.key(f"failed:{grain.name}"), *how))
            for start in map(int, old):
                unit.do("UNLINK", f"failed:{grain.name}:{start}")
                unit.remove(f"failed:{grain.name}", start)
            left -= len(old)
    return limit - left
