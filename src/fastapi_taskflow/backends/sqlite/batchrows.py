"""Rows of batches and of callbacks that are not due yet, within a write transaction."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

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
from fastapi_taskflow.backends.sqlite.loading import parked
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.salvage import read_tags
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["COLUMNS", "batch_row", "find_batches", "follow_batches"]

COLUMNS = "id, created_at, chain, tags, total, success, failed, cancelled, ended_at"
_FIND = Rows(f"SELECT {COLUMNS} FROM @batches WHERE id IN ({{rows}})", 1)
_CALLS = Rows("SELECT batch, kind, task, payload FROM @calls WHERE batch IN ({rows})", 1)
_INSERT = Rows(f"INSERT INTO @batches ({COLUMNS}) VALUES {{rows}}", 9, padded=False)
_HOLD = Rows(
    "INSERT INTO @calls (task_id, batch, kind, task, payload) VALUES {rows}", 5, padded=False
)
_COUNT = "UPDATE @batches SET success = ?, failed = ?, cancelled = ?, ended_at = ? WHERE id = ?"
_NONE: Mapping[str, BatchRow] = {}
_TOLD = "DELETE FROM @calls WHERE batch = ? AND kind = ?"


def batch_row(row: Sequence[Any]) -> BatchRow:
    """A batch; what somebody damaged of it counts as nothing."""
    numbers = [value if type(value) is int else 0 for value in row[4:8]]
    tags: dict[str, str] = {}
    with suppress(ValueError, RecursionError, TypeError):
        tags = read_tags(row[3]) if row[3] else {}
    return BatchRow(
        batch_id=str(row[0]),
        created_at=from_micros(row[1] if type(row[1]) is int else 0),
        chain=bool(row[2]),
        tags=tags,
        total=numbers[0],
        success=numbers[1],
        failed=numbers[2],
        cancelled=numbers[3],
        ended_at=moment(row[8]) if type(row[8]) is int else None,
    )


def find_batches(tx: Transaction, ids: Sequence[str]) -> dict[str, BatchRow]:
    """Batches by id, with the callbacks that they hold."""
    found = {row[0]: batch_row(row) for row in tx.find(_FIND, ids)}
    for batch_id, kind, task, payload in tx.find(_CALLS, list(found)):
        # A damaged one is never added.
        with suppress(ValueError, KeyError, TypeError):
            found[batch_id].callbacks[Callback(kind)] = unpacked(batch_id, task, payload)
    return found


def follow_batches(tx: Transaction, plan: Plan, new: Mapping[str, BatchRow] = _NONE) -> None:
    """Add to a plan what it means for batches, and write their rows.

    Args:
        new: Those that are stored now.
    """
    ids = concerned(plan).difference(new)
    if not ids and not new:
        return
    known = {
        batch_id: Known(batch, parked_by_place(parked(tx, batch_id) if batch.chain else ()))
        for batch_id, batch in find_batches(tx, list(ids)).items()
    }
    known |= {batch_id: just_known(plan, one) for batch_id, one in new.items()}
    follow(plan, known, new.values())
    _store(tx, new.values())
    for one in plan.batches.values():
        if one.batch_id in new:
            continue
        ended_at = None if one.ended_at is None else to_micros(one.ended_at)
        tx.run(_COUNT, (one.success, one.failed, one.cancelled, ended_at, one.batch_id))
    for batch_id, told, _ in plan.told:
        tx.run(_TOLD, (batch_id, told.value))


def _store(tx: Transaction, new: Collection[BatchRow]) -> None:
    tx.write(_INSERT, [_values(one) for one in new])
    held = [
        (task.task_id, one.batch_id, kind.value, packed(task), task.payload)
        for one in new
        for kind, task in one.callbacks.items()
    ]
    tx.write(_HOLD, held)


def _values(one: BatchRow) -> tuple[Any, ...]:
    return (
        one.batch_id, to_micros(one.created_at), int(one.chain),
        json.dumps(dict(one.tags)) if one.tags else None, one.total, one.success, one.failed,
        one.cancelled, None if one.ended_at is None else to_micros(one.ended_at),
    )  # fmt: skip
