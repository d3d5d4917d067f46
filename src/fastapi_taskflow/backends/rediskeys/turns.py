"""Whose turn it is among the tasks of an order key.

A key has a gate, which everybody changes who adds a task to the key or passes its turn on: of two
at once, one has to begin again. It goes with the last live task.
"""

from __future__ import annotations

from collections import Counter

from fastapi_taskflow.backends.rediskeys.unit import Unit
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.turns import gate_of, turn_due
from fastapi_taskflow.words.states import LIVE

__all__ = ["pass_on"]


async def pass_on(unit: Unit, plan: Plan) -> None:
    """Whoever is first behind those that ended is next; their new numbers are given."""
    keys, key = sorted(plan.vacated), unit.store.key
    if not keys:
        return
    await unit.load((), {"gates": map(gate_of, keys)})
    loaded = Counter(one.order_key for one in unit.rows.values())
    found = await unit.store.read(
        # One more than may have ended just now.
        *[("ZRANGE", key(f"turn:{one}"), 0, loaded[one]) for one in keys]
    )
    await unit.load(raw.decode("utf-8", "surrogatepass") for ids in found for raw in ids)
    rows = [*unit.rows.values(), *plan.inserted.values()]
    for order_key in keys:
        live = [one for one in rows if one.order_key == order_key and one.status in LIVE]
        if live:
            unit.do("HSET", "gates", gate_of(order_key), unit.version)
        else:
            unit.do("HDEL", "gates", gate_of(order_key))
        behind = [one for one in live if one.behind]
        if behind and len(behind) == len(live):
            first = min(behind, key=lambda one: one.arrival)
            plan.change(first, behind=False, due_at=turn_due(first.due_at, plan.now))
