"""Tasks that are to start: when the next is due, and since when others wait."""
# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi_taskflow.backends.sqlite.duetimes import LONG_DUE, due_since
from fastapi_taskflow.backends.sqlite.schema import FREE
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.words.clock import from_micros

__all__ = ["next_due", "waiting_since"]

_MICROS_PER_SECOND = 1_000_000
_PAUSED = "SELECT name FROM @queues WHERE paused = 1"
_NEXT_DUE = f"SELECT min(due_at) FROM @tasks WHERE {FREE} AND queue = ?"

# Those that were due when they were stored, and those that have become due since.
_FREE = tuple(
    f"SELECT min(due_at) FROM @tasks INDEXED BY @tasks_due WHERE {FREE} AND queue = ? AND {due}"
    for due in (f"due_at < {LONG_DUE}", f"due_at >= {LONG_DUE}")
)
_HELD = (
    "SELECT queue, due_at, min(created_at) FROM @tasks INDEXED BY @tasks_held"
    " WHERE owner IS NOT NULL AND state = 0 AND behind = 0 AND due_at IS NULL GROUP BY queue"
    " UNION ALL SELECT queue, min(due_at), NULL FROM @tasks INDEXED BY @tasks_held"
    " WHERE owner IS NOT NULL AND state = 0 AND behind = 0 AND due_at IS NOT NULL"
    f" GROUP BY queue, due_at < {LONG_DUE}"
)


def next_due(session: Session, queues: Sequence[str], now: int) -> float | None:
    """See `Backend.next_due`; ``now`` in microseconds."""
    paused = {row[0] for row in session.all(_PAUSED)}
    found = [session.one(_NEXT_DUE, (queue,))[0] for queue in queues if queue not in paused]
    # Of what is no number, nobody knows when it is due.
    due = min((due for due in found if isinstance(due, int)), default=None)
    if due is None:
        return None
    seconds = (due_since(due) - now) / _MICROS_PER_SECOND
    return min(seconds, 0.0) if due < LONG_DUE else seconds


def waiting_since(session: Session, queues: Sequence[str], now: int) -> dict[str, datetime]:
    """See `Backend.waiting_since`; ``now`` in microseconds."""
    found = [(queue, session.one(text, (queue,))[0]) for queue in queues for text in _FREE]
    for queue, due, came in session.all(_HELD):
        found.append((queue, came if due is None else due))
    first: dict[str, int] = {}
    for queue, due in found:
        # What is no number, somebody else has written.
        if queue in queues and isinstance(due, int):
            since = due_since(due)
            if since <= first.get(queue, now):
                first[queue] = since
    return {queue: from_micros(since) for queue, since in first.items()}
