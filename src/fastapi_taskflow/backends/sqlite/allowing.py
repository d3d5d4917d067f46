"""What limits over all instances leave for a claim, and the tokens that it takes."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi_taskflow.backends.base import Limits, Traffic
from fastapi_taskflow.backends.buckets import Level
from fastapi_taskflow.backends.rules.allowing import (
    Allowance,
    Taken,
    Usage,
    bucket_names,
    needs_leases,
)
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["allowed", "learn", "spend", "traffic"]

# Of the index of held tasks, which are as many as instances run and have ahead.
_LEASED = (
    "SELECT queue, func, count(*) FROM @tasks WHERE owner IS NOT NULL AND persist = 1"
    " GROUP BY queue, func"
)
_LEVELS = Rows("SELECT name, clear_at, strikes FROM @buckets WHERE name IN ({rows})", 1)
_PUT = Rows(
    "INSERT OR REPLACE INTO @buckets (name, clear_at, strikes) VALUES {rows}", 3, padded=False
)
_LINE = (
    "SELECT id FROM @tasks INDEXED BY @tasks_turn WHERE order_key = ? AND state < 2"
    " ORDER BY seq LIMIT ?"
)
# Few at a time, so that the table stays small: keys come and go.
_CLEAR = (
    "DELETE FROM @buckets WHERE name IN (SELECT name FROM @buckets WHERE clear_at <= ?"
    " ORDER BY clear_at LIMIT 100)"
)


def traffic(
    session: Session, order_keys: Sequence[str], buckets: Sequence[str], leased: bool, most: int
) -> Traffic:
    """See `Backend.traffic`; without the time."""
    lines = {key: [row[0] for row in session.all(_LINE, (key, most))] for key in order_keys}
    held = session.all(_LEASED) if leased else ()
    counted = {(queue, func): number for queue, func, number in held}
    return Traffic(None, lines, counted, _levels(session, buckets))


def allowed(tx: Transaction, limits: Limits) -> Allowance:
    """What may still be taken. Nobody else writes before this transaction ends."""
    found = tx.all(_LEASED) if needs_leases(limits) else ()
    leased = {(queue, func): number for queue, func, number in found}
    return Allowance(limits, Usage(leased, _levels(tx, bucket_names(limits)), tx.now))


def _levels(tx: Session, names: Sequence[str]) -> dict[str, Level]:
    return {
        name: Level(*level)
        for name, *level in tx.find(_LEVELS, names)
        # A damaged one is begun anew.
        if all(isinstance(number, int) for number in level)
    }


def learn(tx: Transaction, allowance: Allowance, func: str, order_key: str | None) -> None:
    """How the bucket of an order key stands, if it has one."""
    if names := allowance.of_keys([(func, order_key)]):
        allowance.learn(_levels(tx, names))


def spend(tx: Transaction, allowance: Allowance, taken: Sequence[Taken]) -> None:
    """Take the tokens of tasks that were taken."""
    levels = allowance.spend(taken)
    tx.write(_PUT, [(name, *level) for name, level in levels.items()])
    if levels:
        tx.run(_CLEAR, (tx.now,))
