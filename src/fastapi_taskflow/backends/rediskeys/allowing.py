"""What limits over all instances leave for a claim, and the tokens that it takes.

Each limit has a gate that a claim under it changes: of two at once, one has to begin again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from fastapi_taskflow.backends.base import Limits, Traffic
from fastapi_taskflow.backends.buckets import Level
from fastapi_taskflow.backends.rediskeys.documents import dumped, loaded
from fastapi_taskflow.backends.rediskeys.loading import texts
from fastapi_taskflow.backends.rediskeys.store import Store
from fastapi_taskflow.backends.rediskeys.unit import Unit, in_chunks
from fastapi_taskflow.backends.rules.allowing import (
    Allowance,
    Taken,
    Usage,
    bucket_names,
    gate_names,
    needs_leases,
)
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.words.clock import to_micros

__all__ = ["allowed", "drop_clear", "fill", "learn", "levels_of", "set_levels", "spend", "traffic"]

_MOST_CLEARED = 100


def levels_of(unit: Unit, names: Iterable[str]) -> dict[str, Level]:
    """The levels of buckets that were loaded, as far as anybody has taken from them."""
    return _levels({name: unit.at["buckets"][name] for name in names})


def _levels(raw: Mapping[str, bytes | None]) -> dict[str, Level]:
    found = {name: loaded(one) for name, one in raw.items()}
    return {name: Level(*level) for name, level in found.items() if isinstance(level, list)}


def set_levels(unit: Unit, levels: Mapping[str, Level]) -> None:
    """Write levels of buckets."""
    for name, level in levels.items():
        unit.do("HSET", "buckets", name, dumped(level))
        unit.add("clearing", level.clear_at, name)


async def allowed(unit: Unit, limits: Limits) -> Allowance:
    """What may still be taken; if somebody else takes any of it, this claim begins again."""
    gates, names = gate_names(limits), bucket_names(limits)
    # In this order: who comes between has changed a gate.
    await unit.load((), {"gates": gates, "buckets": names})
    for gate in gates:
        unit.count("gates", gate, 1)
    leased = await _leased(unit.store) if needs_leases(limits) else {}
    return Allowance(limits, Usage(leased, levels_of(unit, names), to_micros(unit.now)))


async def _leased(store: Store) -> dict[tuple[str, str], int]:
    """Durable tasks that are claimed or running, by queue and function."""
    (found,) = await store.read(("HGETALL", store.key("leased")))
    pairs = zip(map(loaded, found[::2]), found[1::2], strict=True)
    return {(queue, func): int(number) for (queue, func), number in pairs if int(number)}


async def traffic(
    store: Store, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
) -> Traffic:
    """See `Backend.traffic`."""
    await store.set_clock()
    key = store.key
    lines = await store.read(
        *[("ZRANGE", key(f"turn:{one}"), 0, most - 1) for one in order_keys],
        *[("HMGET", key("buckets"), *chunk) for chunk in in_chunks(buckets)],
    )
    levels = [raw for chunk in lines[len(order_keys) :] for raw in chunk]
    return Traffic(
        store.clock.now(),
        dict(zip(order_keys, map(texts, lines), strict=False)),
        await _leased(store) if leased else {},
        _levels(dict(zip(dict.fromkeys(buckets), levels, strict=True))),
    )


async def learn(unit: Unit, allowance: Allowance, candidates: Iterable[Row]) -> None:
    """How the buckets of their order keys stand."""
    names = allowance.of_keys((row.func_name, row.order_key) for row in candidates)
    await unit.load((), {"buckets": names})
    allowance.learn(levels_of(unit, names))


async def spend(unit: Unit, allowance: Allowance, rows: Iterable[Row]) -> None:
    """Take the tokens of tasks that were taken."""
    levels = allowance.spend(Taken(row.queue, row.func_name, row.order_key) for row in rows)
    if levels and allowance.rates_keys:
        await drop_clear(unit, levels, _MOST_CLEARED)
    set_levels(unit, levels)


async def drop_clear(unit: Unit, taken: Container[str], most: int) -> None:
    """Delete some of the buckets that are clear, but for those that are written now."""
    how = "-inf", to_micros(unit.now), "LIMIT", 0, most
    (found,) = await unit.store.read(("ZRANGEBYSCORE", unit.store.key("clearing"), *how))
    names = [name for name in texts(found) if name not in taken]
    await unit.load((), {"buckets": names})
    fill(unit, names)


def fill(unit: Unit, names: Iterable[str]) -> None:
    """Delete buckets: they are full again."""
    for name in names:
        unit.do("HDEL", "buckets", name)
        unit.remove("clearing", name)
