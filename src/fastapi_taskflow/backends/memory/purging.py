"""Old records go, and what is over."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.backends.base import Purged
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.words.clock import SteadyClock

__all__ = ["purge", "purgeable"]


def purgeable(table: Table, clock: SteadyClock, before: datetime, cap: int) -> int:
    """How many records `purge` would delete."""
    clock.now()
    return len(table.oldest_ended(before + clock.lead, cap))


def purge(table: Table, clock: SteadyClock, before: datetime | None, limit: int) -> Purged:
    """Delete some of what is old, see `Backend.purge`."""
    now = clock.now()
    table.tallies.turn(now)
    # Callers count from their own clock, which may have been set back.
    before = None if before is None else before + clock.lead
    gone = [] if before is None else table.oldest_ended(before, limit)
    for row in gone:
        table.delete(row)
    return Purged(
        tuple(row.task_id for row in gone),
        table.keys.purge(now, limit),
        table.failures.forget(now, limit),
        results=table.expire_results(now, limit),
        batches=0 if before is None else table.batches.purge(before, limit),
    )
