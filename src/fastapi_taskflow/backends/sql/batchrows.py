"""Rows of batches and of callbacks that are not due yet, within a transaction that writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Callback
from fastapi_taskflow.backends.rules.batching import (
    Known,
    concerned,
    follow,
    just_known,
    parked_by_place,
)
from fastapi_taskflow.backends.rules.batchrows import BatchRow, packed, unpacked
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sql.loading import lock_batches, parked
from fastapi_taskflow.backends.sql.statements import IDS, OF, Found, add, drop, pick
from fastapi_taskflow.backends.sql.store import Writing
from fastapi_taskflow.backends.sql.tables import batches, calls

__all__ = ["COLUMNS", "batch_row", "follow_batches"]

COLUMNS = [column.name for column in batches.c if column.name != "number"]
_NONE: Mapping[str, BatchRow] = {}
_COUNTED = "success", "failed", "cancelled", "ended_at"
_CALLS = sa.select(calls).where(calls.c.batch_id.in_(IDS))
_COUNT = (
    sa.update(batches)
    .where(batches.c.batch_id == OF)
    .values({name: sa.bindparam(name) for name in _COUNTED})
)


def batch_row(found: Found) -> BatchRow:
    """A batch, without its callbacks."""
    return BatchRow(**{name: found[name] for name in COLUMNS})


async def follow_batches(tx: Writing, plan: Plan, new: Mapping[str, BatchRow] = _NONE) -> None:
    """Add to a plan what it means for batches, and write their rows.

    Args:
        new: Those that are stored now.
    """
    ids = concerned(plan).difference(new)
    if not ids and not new:
        return
    known: dict[str, Known] = {}
    for one in await lock_batches(tx.sql, ids):
        batch = batch_row(one)
        steps = await parked(tx.sql, batch.batch_id) if batch.chain else ()
        known[batch.batch_id] = Known(batch, parked_by_place(steps))
    for call in await pick(tx.sql, _CALLS, known):
        # A damaged one is never added.
        with suppress(ValueError, KeyError, TypeError):
            task = unpacked(call["batch_id"], call["task"], call["payload"])
            known[call["batch_id"]].batch.callbacks[Callback(call["kind"])] = task
    known |= {batch_id: just_known(plan, one) for batch_id, one in new.items()}
    follow(plan, known, new.values())
    await _store(tx.sql, new.values())
    counted = [
        {"of": one.batch_id, **{name: getattr(one, name) for name in _COUNTED}}
        for _, one in sorted(plan.batches.items())
        if one.batch_id not in new
    ]
    if counted:
        await tx.sql.execute(_COUNT, counted)
    await drop(tx.sql, calls.c.task_id, [task_id for *_, task_id in plan.told])


async def _store(sql: AsyncConnection, new: Collection[BatchRow]) -> None:
    await add(sql, batches, [{name: getattr(one, name) for name in COLUMNS} for one in new])
    held = [
        {
            "task_id": task.task_id,
            "batch_id": one.batch_id,
            "kind": kind.value,
            "task": packed(task),
            "payload": task.payload,
        }
        for one in new
        for kind, task in one.callbacks.items()
    ]
    await add(sql, calls, held)
