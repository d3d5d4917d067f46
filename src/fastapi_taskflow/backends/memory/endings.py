"""How claims begin and end: `backends.rules.settlement` applied to a row."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.backends.base import (
    Attempt,
    CancelAnswer,
    CancelResult,
    Lease,
    Outcome,
    Settled,
)
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.duetimes import later
from fastapi_taskflow.backends.rules.settlement import (
    Change,
    attempt_of,
    cancelling,
    holds,
    is_late,
    settle,
)
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["cancel", "finish", "start"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING


def start(table: Table, lease: Lease, now: datetime) -> datetime | None:
    """Begin one claim: when it was begun; None if it is lost."""
    row = table.rows.get(lease.task_id)
    if row is None or not holds(row, lease):
        return None
    if row.status is _PENDING:
        table.become(row, _RUNNING)
        if row.claim_id is not None:
            table.unclaim(row)
        record = row.record
        record.start_time = now
        record.elapsed = None
        record.instance = row.owner
        record.retries_used = row.failures
    return row.record.start_time


def finish(table: Table, outcome: Outcome, now: datetime) -> Settled | None:
    """End one claim, or keep a late attempt of one that was lost."""
    row = table.rows.get(outcome.lease.task_id)
    if row is None:
        return None
    change = settle(row, outcome)
    if change is not None:
        _apply(table, row, change, outcome, now)
    elif is_late(row, outcome):
        return Settled(row.status, _keep_late(row, attempt_of(row, outcome, now)))
    return Settled(row.status)


def _apply(table: Table, row: Row, change: Change, outcome: Outcome, now: datetime) -> None:
    if outcome.logs:
        row.add_logs(outcome.logs, anew=outcome.logs_anew)
    if change.ends_attempt:
        row.add_attempt(attempt_of(row, outcome, now))
    row.failures += change.failures
    row.interruptions += change.interruptions
    row.record.error = outcome.error
    row.record.stacktrace = outcome.stacktrace
    if outcome.elapsed is not None:
        row.record.elapsed = outcome.elapsed
    if change.over:
        row.record.end_time = now
        table.end(row, change.target, now)
    else:
        table.free(row, later(now, outcome.delay), now)


def _keep_late(row: Row, attempt: Attempt) -> bool:
    """Keep it once; False if this lease's outcome was accepted before."""
    for kept in row.attempts or ():
        if kept.fence == attempt.fence:
            return kept.late
    row.add_attempt(attempt)
    return True


def cancel(table: Table, task_id: str, now: datetime) -> CancelAnswer:
    """End what has not started, ask for the rest."""
    row = table.find(task_id)
    result = cancelling(row)
    if row is None:
        return CancelAnswer(result, None)
    if result is CancelResult.CANCELLED:
        row.record.end_time = now
        table.end(row, TaskStatus.CANCELLED, now)
    elif result is CancelResult.ASKED:
        row.cancel_asked = True
    return CancelAnswer(result, row.status)
