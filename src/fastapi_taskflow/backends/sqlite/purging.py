"""Purge: old records go in small transactions, found by an index of their ends.

Nothing is vacuumed: SQLite uses the pages that become free for the next tasks.
"""

from __future__ import annotations

from fastapi_taskflow.backends.base import Purged
from fastapi_taskflow.backends.rules.telling import EXPIRED
from fastapi_taskflow.backends.sqlite.failures import forget_failures
from fastapi_taskflow.backends.sqlite.rollups import fold
from fastapi_taskflow.backends.sqlite.schema import FIRST_TERMINAL, STATES
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["OLDEST", "purge", "purgeable"]

OLDEST = (
    "SELECT seq, id, queue, func, state FROM @tasks INDEXED BY @tasks_end"
    " WHERE state >= 2 AND end_at < ? ORDER BY end_at, seq LIMIT ?"
)
# As many as there are, up to a bound.
_NUMBER = (
    "SELECT count(*) FROM (SELECT 1 FROM @tasks INDEXED BY @tasks_end"
    " WHERE state >= 2 AND end_at < ? LIMIT ?)"
)
_ENDS = frozenset(range(FIRST_TERMINAL, len(STATES)))
_OF_TASKS = (
    Rows("DELETE FROM @tags WHERE task IN ({rows})", 1),
    Rows("DELETE FROM @logs WHERE task IN ({rows})", 1),
    Rows("DELETE FROM @attempts WHERE task IN ({rows})", 1),
    Rows("DELETE FROM @tasks WHERE seq IN ({rows})", 1),
)
_ALIASES = Rows("DELETE FROM @aliases WHERE task_id IN ({rows})", 1)
_KEYS = (
    "DELETE FROM @keys WHERE key IN (SELECT key FROM @keys WHERE expires_at <= ?"
    " ORDER BY expires_at LIMIT ?)"
)

_RESULTS = (
    "UPDATE @tasks SET result = NULL, result_until = NULL, result_missing = ? WHERE seq IN"
    " (SELECT seq FROM @tasks WHERE result_until <= ? ORDER BY result_until LIMIT ?)"
)

_DONE = "SELECT id FROM @batches WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
_OF_BATCHES = (
    Rows("DELETE FROM @calls WHERE batch IN ({rows})", 1),
    Rows("DELETE FROM @batches WHERE id IN ({rows})", 1),
)


def purgeable(session: Session, before: int, cap: int) -> int:
    """How many records `purge` would delete."""
    found = session.one(_NUMBER, (before, cap))
    return 0 if found is None else int(found[0])


def purge(tx: Transaction, before: int | None, limit: int) -> Purged:
    """Delete some of what is old, see `Backend.purge`."""
    rows = [] if before is None else tx.all(OLDEST, (before, limit))
    if rows:
        for statements in _OF_TASKS:
            tx.write(statements, [(row[0],) for row in rows])
        tx.write(_ALIASES, [(row[1],) for row in rows])
        for _, _, queue, func, state in rows:
            if state in _ENDS:  # a damaged one is counted nowhere
                tx.counters.move((queue, func), state, None)
    keys = tx.run(_KEYS, (tx.now, limit)).rowcount
    results = tx.run(_RESULTS, (EXPIRED, tx.now, limit)).rowcount
    batches = 0 if before is None else _purge_batches(tx, before, limit)
    ids = tuple(str(row[1]) for row in rows)
    sums = fold(tx, limit)
    sums += forget_failures(tx, limit - sums)
    return Purged(ids, keys, sums, results, batches)


def _purge_batches(tx: Transaction, before: int, limit: int) -> int:
    gone = tx.all(_DONE, (before, limit))
    for statements in _OF_BATCHES:
        tx.write(statements, gone)
    return len(gone)
