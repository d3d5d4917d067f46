"""Batches and callbacks that are not due yet, within a verb that writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from fastapi_taskflow.backends.base import Callback
from fastapi_taskflow.backends.rediskeys.documents import Documents
from fastapi_taskflow.backends.rediskeys.unit import Unit
from fastapi_taskflow.backends.rules.batching import (
    Known,
    concerned,
    follow,
    just_known,
    parked_by_place,
)
from fastapi_taskflow.backends.rules.batchrows import BatchRow, packed, unpacked
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.words.clock import to_micros

__all__ = ["BATCHES", "CALLS", "Call", "follow_batches", "write_call"]


class Call(NamedTuple):
    """A callback that is not due yet."""

    batch_id: str
    kind: str
    task: str
    payload: bytes | None


BATCHES, CALLS = Documents(BatchRow, "callbacks"), Documents(Call)


async def follow_batches(unit: Unit, plan: Plan, new: Mapping[str, BatchRow]) -> None:
    """Add to a plan what it means for batches, and write them."""
    ids = concerned(plan).difference(new)
    if not ids and not new:
        return
    known = await _known(unit, ids)
    known |= {batch_id: just_known(plan, one) for batch_id, one in new.items()}
    follow(plan, known, new.values())
    for batch in plan.batches.values():
        _write(unit, batch)
    for batch_id, one in new.items():
        (number,) = await unit.store.read(("INCRBY", unit.store.key("numbers"), 1))
        unit.add("batches:all", number, batch_id)
        for kind, task in one.callbacks.items():
            write_call(unit, task.task_id, Call(batch_id, kind.value, packed(task), task.payload))
    for batch_id, _, task_id in plan.told:
        if batch_id not in new:
            unit.do("HDEL", "calls", task_id)
            unit.remove(f"calls:{batch_id}", task_id)
            unit.remove("calls:held", task_id)


async def _known(unit: Unit, ids: Iterable[str]) -> dict[str, Known]:
    key, names = unit.store.key, list(ids)
    await unit.load((), {"batches": names})
    found = {name: BATCHES.read(unit.at["batches"][name]) for name in names}
    batches = {name: one for name, one in found.items() if one is not None}
    steps = await unit.store.read(*[("ZRANGE", key(f"parked:{one}"), 0, -1) for one in batches])
    calls = await unit.store.read(*[("ZRANGE", key(f"calls:{one}"), 0, -1) for one in batches])
    parked = {
        name: [raw.decode("utf-8", "surrogatepass") for raw in of]
        for name, of in zip(batches, steps, strict=True)
        if batches[name].chain
    }
    held = [raw.decode("utf-8", "surrogatepass") for of in calls for raw in of]
    await unit.load([one for of in parked.values() for one in of], {"calls": held})
    for call in (CALLS.read(unit.at["calls"][one]) for one in held):
        # A damaged one is never added.
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            task = unpacked(call.batch_id, call.task, call.payload)  # type: ignore[union-attr]
            batches[task.member.batch_id].callbacks[Callback(call.kind)] = task  # type: ignore[union-attr]
    return {
        name: Known(one, parked_by_place(unit.rows[step] for step in parked.get(name, ())))
        for name, one in batches.items()
    }


def _write(unit: Unit, batch: BatchRow) -> None:
    unit.do("HSET", "batches", batch.batch_id, BATCHES.text(batch))
    if batch.ended_at is None:
        unit.remove("batches:ended", batch.batch_id)
    else:
        unit.add("batches:ended", to_micros(batch.ended_at), batch.batch_id)


def write_call(unit: Unit, task_id: str, call: Call) -> None:
    """A callback waits."""
    unit.do("HSET", "calls", task_id, CALLS.text(call))
    unit.add(f"calls:{call.batch_id}", 0, task_id)
    if call.payload is not None:
        unit.add("calls:held", 0, task_id)
