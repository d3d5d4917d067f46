"""A plan of `backends.rules`, written: the same for every verb."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.sqlite.duetimes import LONG_DUE, due_value
from fastapi_taskflow.backends.sqlite.failures import write_failures
from fastapi_taskflow.backends.sqlite.history import write_attempts
from fastapi_taskflow.backends.sqlite.logs import Lines
from fastapi_taskflow.backends.sqlite.rows import (
    COLUMNS,
    INSERT,
    INSERT_LEAN,
    is_lean,
    later_values,
    lean_row,
    span,
    task_row,
    value_of,
)
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["apply", "write_tags"]

_DELETE = (
    "DELETE FROM @tags WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @logs WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @attempts WHERE task = (SELECT seq FROM @tasks WHERE id = ?)",
    "DELETE FROM @aliases WHERE task_id = ?",
    "DELETE FROM @tasks WHERE id = ?",
)
_TAG = Rows("INSERT OR IGNORE INTO @tags (key, value, task) VALUES {rows}", 3, padded=False)
# Not of a purged task whose key is still held: nothing would ever delete such an alias.
_ALIAS = Rows(
    "INSERT INTO @aliases (id, task_id) SELECT v.column1, v.column2 FROM (VALUES {rows}) AS v"
    " WHERE EXISTS (SELECT 1 FROM @tasks WHERE id = v.column2)",
    2,
)
_TAKE = Rows(
    "INSERT INTO @keys (key, task_id, fingerprint, ttl, expires_at) VALUES {rows}"
    " ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id,"
    " fingerprint = excluded.fingerprint, ttl = excluded.ttl, expires_at = NULL",
    5,
    padded=False,
)
# Few at a time, by whoever takes keys: so the table stays small and nobody waits for it.
_EXPIRE = (
    "DELETE FROM @keys WHERE key IN (SELECT key FROM @keys WHERE expires_at <= ?"
    " ORDER BY expires_at LIMIT 100)"
)
_PASS_ON = (
    "UPDATE @tasks SET behind = 0,"
    f" due_at = iif(due_at < {LONG_DUE} OR due_at <= ?2, ?3, due_at)"
    " WHERE seq = (SELECT min(seq) FROM @tasks WHERE order_key = ?1 AND behind = 1)"
)
_HOLD = "UPDATE @keys SET expires_at = ? + ttl WHERE key = ? AND task_id = ?"
_FREE = "DELETE FROM @keys WHERE key = ? AND task_id = ?"


@cache
def _changing(names: tuple[str, ...]) -> Rows:
    """The statement that gives these columns new values. There are few sets of them."""
    values = ", ".join(f"{name} = v.column{place}" for place, name in enumerate(names, 2))
    return Rows(
        f"UPDATE @tasks SET {values} FROM (VALUES {{rows}}) AS v WHERE @tasks.id = v.column1",
        len(names) + 1,
    )


def apply(tx: Transaction, plan: Plan, rows: Mapping[str, Row]) -> None:
    """Write all of it.

    Args:
        rows: The tasks that were loaded for it.
    """
    for task_id in plan.deleted:
        for statement in _DELETE:
            tx.run(statement, (task_id,))
    _insert(tx, plan)
    _change(tx, plan)
    _write_keys(tx, plan)
    of = {**rows, **plan.inserted}
    write_attempts(tx, [(of[task_id].arrival, one) for task_id, one in plan.attempts])
    lines = Lines()
    for task_id, added, anew in plan.lines:
        lines.add(of[task_id].arrival, added, anew=anew)
    lines.write(tx)
    for order_key in plan.vacated:
        tx.run(_PASS_ON, (order_key, tx.now, due_value(tx.now, tx.now)))
    tx.counters.add(plan)
    write_failures(tx, plan)


def write_tags(tx: Transaction, tasks: Iterable[tuple[int, Mapping[str, str]]]) -> None:
    """Make new tasks, by their numbers, findable by their tags."""
    tags = [(key, value, seq) for seq, of in tasks for key, value in of.items()]
    if tags:
        tx.write(_TAG, tags)


def _insert(tx: Transaction, plan: Plan) -> None:
    new = plan.inserted.values()
    for number, row in zip(tx.arrivals(len(new)), new, strict=True):
        row.arrival = number
    lean, others = [], []
    for row in new:
        if is_lean(row):
            lean.append(lean_row(row, tx.now))
        else:
            others.append(task_row(row, tx.now))
    tx.write(INSERT_LEAN, lean)
    tx.write(INSERT, others)
    for row in new:
        if values := later_values(row):
            plan.changed[row.task_id] = values
    write_tags(tx, ((row.arrival, row.tags) for row in new if row.tags))
    tx.write(_ALIAS, list(plan.aliases.items()))


def _change(tx: Transaction, plan: Plan) -> None:
    alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for task_id, changed in plan.changed.items():
        names = tuple(filter(COLUMNS.__contains__, changed))
        values = (value_of(name, changed[name], tx.now) for name in names)
        alike.setdefault(names, []).append((task_id, *values))
    for names, changes in alike.items():
        tx.write(_changing(tuple(COLUMNS[name] for name in names)), changes)


def _write_keys(tx: Transaction, plan: Plan) -> None:
    if plan.taken:
        tx.run(_EXPIRE, (tx.now,))
        taken = [
            (key, one.task_id, one.fingerprint, span(one.ttl), None)
            for key, one in plan.taken.items()
        ]
        tx.write(_TAKE, taken)
    for one in plan.kept:
        tx.run(_HOLD, (tx.now, *one))
    for one in plan.freed:
        tx.run(_FREE, one)
