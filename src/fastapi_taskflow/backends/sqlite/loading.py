"""What the rules decide on, read in the transaction that will write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi_taskflow.backends.base import Lease, NewTask, Outcome
from fastapi_taskflow.backends.rules.duetimes import NEVER
from fastapi_taskflow.backends.rules.facts import (
    Facts,
    Holder,
    Known,
    Mate,
    Original,
    keys_of,
    needs,
)
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.rules.settlement import is_late
from fastapi_taskflow.backends.sqlite.duetimes import due_moment
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.salvage import member_of
from fastapi_taskflow.backends.sqlite.schema import status_of
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["canonical", "facts_of", "history_of", "load", "parked"]

# The columns that decide, in the order of `_row`; what stands in for a damaged value.
_COLUMNS: tuple[tuple[str, type, Any], ...] = (
    ("seq", int, 0),
    ("id", str, ""),
    ("queue", str, "default"),
    ("func", str, ""),
    ("state", int, -1),
    ("fence", int, 0),
    ("owner", str, None),
    ("instance", str, None),
    ("failures", int, 0),
    ("interruptions", int, 0),
    ("cancel_asked", int, 0),
    ("persist", int, 0),
    ("start_at", int, None),
    ("elapsed", float, None),
    ("idempotency_key", str, None),
    ("order_key", str, None),
    ("behind", int, 0),
    ("batch_id", str, None),
    ("batch_place", int, None),
    ("after", str, None),
    ("due_at", int, None),
    ("created_at", int, 0),
)
_PARKED = (
    f"SELECT {', '.join(name for name, *_ in _COLUMNS)} FROM @tasks WHERE batch_id = ?"  # noqa: S608
    f" AND state = 0 AND due_at = {to_micros(NEVER)}"
)
_LOAD = Rows(
    f"SELECT {', '.join(name for name, *_ in _COLUMNS)} FROM @tasks WHERE id IN ({{rows}})",  # noqa: S608
    1,
)
# In place of one that nobody can read.
_SOME_TIME = datetime(1970, 1, 1, tzinfo=UTC)

_KNOWN = Rows("SELECT id, state, born FROM @tasks WHERE id IN ({rows})", 1)
_ALIASES = Rows("SELECT id, task_id FROM @aliases WHERE id IN ({rows})", 1)
_ORIGINALS = Rows(
    "SELECT id, state, retried_as, idempotency_key, fingerprint, queue, func,"
    " batch_id, batch_place, after"
    " FROM @tasks WHERE id IN ({rows})",
    1,
)
_KEYS = Rows("SELECT key, task_id, fingerprint, expires_at FROM @keys WHERE key IN ({rows})", 1)
_MATES = (
    "SELECT id, func, state, queue, start_at, cancel_asked, created_at"
    " FROM @tasks INDEXED BY @tasks_turn WHERE order_key = ? AND state < 2 ORDER BY seq LIMIT ?"
)
_ATTEMPT = "SELECT late FROM @attempts WHERE task = ? AND fence = ?"


def _mate(row: Sequence[Any]) -> Mate:
    task_id, func, state, queue, start_at, asked, created_at = row
    since = from_micros(created_at) if isinstance(created_at, int) else _SOME_TIME
    return Mate(task_id, func, status_of(state), queue, start_at is None, bool(asked), since)


def load(tx: Transaction, ids: Sequence[str]) -> dict[str, Row]:
    """Stored tasks by id, as far as they decide."""
    found = tx.find(_LOAD, ids)
    return {row[1]: _row(_mended(row) if tx.careful else row) for row in found}


def parked(tx: Transaction, batch_id: str) -> list[Row]:
    """The parked tasks of a chain."""
    found = tx.all(_PARKED, (batch_id,))
    return [_row(_mended(row) if tx.careful else row) for row in found]


def _mended(row: Sequence[Any]) -> list[Any]:
    """With a value of its type in each column, whatever somebody has put there."""
    return [
        value if isinstance(value, kind) else stand_in
        for value, (_, kind, stand_in) in zip(row, _COLUMNS, strict=True)
    ]


def _row(values: Sequence[Any]) -> Row:
    (
        seq, task_id, queue, func, state, fence, owner, instance, failures, interruptions,
        cancel_asked, persist, start_at, elapsed, key, order_key, behind, batch_id, batch_place,
        after, due_at, created_at,
    ) = values  # fmt: skip
    return Row(
        arrival=seq, task_id=task_id, queue=queue, func_name=func, status=status_of(state),
        fence=fence, owner=owner, instance=instance, failures=failures,
        interruptions=interruptions, cancel_asked=bool(cancel_asked), persist=bool(persist),
        start_time=moment(start_at), due_at=due_moment(due_at), elapsed=elapsed,
        idempotency_key=key, created_at=from_micros(created_at),
        order_key=order_key, behind=bool(behind),
        batch_id=batch_id, batch_place=batch_place, after=after,
    )  # fmt: skip


def canonical(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """The ids of the tasks that aliases stand for."""
    return dict(tx.find(_ALIASES, ids))


def history_of(
    tx: Transaction, rows: Mapping[str, Row], outcomes: Iterable[Outcome]
) -> dict[Lease, bool]:
    """Of the late outcomes whose attempt is kept already, whether it was late."""
    history: dict[Lease, bool] = {}
    for outcome in outcomes:
        row = rows.get(outcome.lease.task_id)
        if row is not None and is_late(row, outcome):
            kept = tx.one(_ATTEMPT, (row.arrival, outcome.lease.fence))
            if kept is not None:
                history[outcome.lease] = bool(kept[0])
    return history


def facts_of(
    tx: Transaction, groups: Sequence[Sequence[NewTask]], limits: Mapping[str, int]
) -> Facts:
    """What decides about new tasks."""
    ids, retried, queues, turns = needs(groups, limits)
    known: dict[str, Known | None] = {
        task_id: Known(status_of(state), born) for task_id, state, born in tx.find(_KNOWN, ids)
    }
    aliases: dict[str, str | None] = dict(tx.find(_ALIASES, [*ids, *retried]))
    found: dict[str, Original | None] = {
        row[0]: Original(row[0], status_of(row[1]), *row[2:7])._replace(member=member_of(*row[7:]))
        for row in tx.find(_ORIGINALS, [aliases.get(one) or one for one in retried])
    }
    holders: dict[str, Holder | None] = {
        key: Holder(task_id, fingerprint)
        for key, task_id, fingerprint, expires_at in tx.find(_KEYS, list(keys_of(groups, found)))
        # A damaged time is none: the key is held until somebody mends it.
        if not isinstance(expires_at, int) or expires_at > tx.now
    }
    waiting = {queue: tx.waiting(queue) for queue in queues}
    mates: dict[str, tuple[Mate, ...] | None] = {
        key: tuple(map(_mate, tx.all(_MATES, (key, -1 if every else 1))))
        for key, every in turns.items()
    }
    return Facts(known, aliases, found, holders, waiting, tx.alive, mates)
