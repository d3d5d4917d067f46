"""Groups of failed attempts: what is written with them, read and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi_taskflow.backends.base import FailureGroup, FailureQuery
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
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["failures", "forget_failures", "write_failures"]

_ADD = Rows(
    "INSERT INTO @failures (name, func, kind, first_at, last_at, n, task_id) VALUES {rows}"
    " ON CONFLICT (name) DO UPDATE SET last_at = max(last_at, excluded.last_at),"
    " n = n + excluded.n, task_id = excluded.task_id",
    7,
    padded=False,
)
_COUNT = Rows(
    "INSERT INTO @failed (span, start, name, n) VALUES {rows}"
    " ON CONFLICT (span, start, name) DO UPDATE SET n = n + excluded.n",
    4,
    padded=False,
)
_GROUPS = (
    "SELECT name, func, kind, first_at, last_at, n, task_id FROM @failures"
    " WHERE last_at >= ?1 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR func = ?3)"
    " ORDER BY last_at DESC, name DESC LIMIT ?4"
)
_TIMES = "SELECT name, start, n FROM @failed WHERE span = ? AND start >= ?"
_FORGET = (
    "DELETE FROM @failures WHERE name IN"
    " (SELECT name FROM @failures WHERE last_at < ? ORDER BY last_at LIMIT ?)"
)
_DROP = (
    "DELETE FROM @failed WHERE (span, start, name) IN"
    " (SELECT span, start, name FROM @failed WHERE span = ? AND start < ? LIMIT ?)"
)
_MICROS_PER_SECOND = 1_000_000
_GROUP = (str, str, str, int, int, int, str)
_TIME = (str, int, int)


def write_failures(tx: Transaction, plan: Plan) -> None:
    """Count the failed attempts of a plan."""
    failed = plan.failed if plan.failures else ()
    if not failed:
        return
    now, second = tx.now, tx.now // _MICROS_PER_SECOND
    groups = [(f.group, f.func_name, f.kind, now, now, f.times, f.task_id) for f in failed]
    tx.write(_ADD, groups)
    times = [
        (grain.seconds, span_of(grain, second), one.group, one.times)
        for grain in GRAINS
        for one in failed
    ]
    tx.write(_COUNT, times)


def failures(session: Session, query: FailureQuery) -> list[FailureGroup]:
    """See `Backend.failures`."""
    since = 0 if query.since is None else to_micros(query.since)
    wanted = (since, query.group, query.func_name, query.limit)
    groups = [_seen(row) for row in session.all(_GROUPS, wanted) if _is_sound(row, _GROUP)]
    begin = span_begin(query)
    if begin is None:
        return add_up(query, groups)
    times = session.all(_TIMES, (query.grain.seconds, begin))
    return add_up(query, groups, [Times(*row) for row in times if _is_sound(row, _TIME)])


def _seen(row: Sequence[Any]) -> Seen:
    name, func, kind, first, last, n, task_id = row
    return Seen(name, func, kind, from_micros(first), from_micros(last), n, task_id)


def _is_sound(row: Any, kinds: tuple[type, ...]) -> bool:
    """A damaged one is left out."""
    return tuple(map(type, row)) == kinds


def forget_failures(tx: Transaction, limit: int) -> int:
    """Drop some of what is too old; how many rows that were."""
    second, left = tx.now // _MICROS_PER_SECOND, limit
    if left > 0:
        left -= tx.run(_FORGET, (oldest_seen(second) * _MICROS_PER_SECOND, left)).rowcount
    for grain in GRAINS:
        oldest = oldest_kept(grain, second)
        if oldest is not None and left > 0:
            left -= tx.run(_DROP, (grain.seconds, oldest, left)).rowcount
    return limit - left
