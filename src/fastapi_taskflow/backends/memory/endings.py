"""How claims begin and end: `states.MOVES` applied to a row, and cancellation."""

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
from fastapi_taskflow.backends.memory.rows import Row, later
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import MOVES, Move, Rule

__all__ = ["cancel", "finish", "start"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
_CANCELLED = TaskStatus.CANCELLED


def start(table: Table, lease: Lease, now: datetime) -> datetime | None:
    """Begin one claim: when it was begun; None if it is lost."""
    row = table.rows.get(lease.task_id)
    if row is None or row.fence != lease.fence or row.owner is None:
        return None
    if row.status is _PENDING:
        table.become(row, _RUNNING)
        if row.claim_id is not None:
            table.unclaim(row)
        row.start_time = now
        row.elapsed = None
        row.instance = row.owner
        row.retries_used = row.failures
    return row.start_time


def finish(table: Table, outcome: Outcome, now: datetime) -> Settled | None:
    """End one claim, or keep a late attempt of one that was lost."""
    row = table.rows.get(outcome.lease.task_id)
    if row is None:
        return None
    if row.fence != outcome.lease.fence:
        return _late(row, outcome, now)
    rule = MOVES[outcome.move]
    # Without an owner this claim has ended before: the outcome was sent twice.
    if row.status is not rule.source or row.owner is None:
        return Settled(row.status)
    _apply(table, row, rule, outcome, now)
    return Settled(row.status)


def _apply(table: Table, row: Row, rule: Rule, outcome: Outcome, now: datetime) -> None:
    cancelled = row.cancel_asked and rule.yields_to_cancel
    target = _CANCELLED if cancelled else rule.target
    if outcome.logs:
        row.add_logs(outcome.logs, anew=outcome.logs_anew)
    if target is _PENDING and rule.source is _RUNNING and outcome.move is not Move.UNSTART:
        _keep(row, _attempt(row, outcome, now))
    row.failures += rule.failures
    row.interruptions += rule.interruptions
    row.error = outcome.error
    row.stacktrace = outcome.stacktrace
    if outcome.elapsed is not None:
        row.elapsed = outcome.elapsed
    if target is _PENDING:
        table.free(row, later(now, outcome.delay), now)
    else:
        row.end_time = now
        table.end(row, target, now)


def _attempt(row: Row, outcome: Outcome, now: datetime) -> Attempt:
    return Attempt(
        row.failures,
        row.fence,
        row.instance,
        row.start_time,
        now,
        outcome.elapsed,
        outcome.move,
        outcome.error,
        outcome.stacktrace,
        late=False,
    )


def _late(row: Row, outcome: Outcome, now: datetime) -> Settled:
    fence = outcome.lease.fence
    for kept in row.attempts or ():
        if kept.fence == fence:
            return Settled(row.status, late=kept.late)
    attempt = Attempt(
        row.failures,
        fence,
        None,
        None,
        now,
        outcome.elapsed,
        outcome.move,
        outcome.error,
        outcome.stacktrace,
        late=True,
    )
    _keep(row, attempt)
    return Settled(row.status, late=True)


def _keep(row: Row, attempt: Attempt) -> None:
    if row.attempts is None:
        row.attempts = [attempt]
    else:
        row.attempts.append(attempt)


def cancel(table: Table, task_id: str, now: datetime) -> CancelAnswer:
    """End what has not started, ask for the rest."""
    row = table.find(task_id)
    if row is None:
        return CancelAnswer(CancelResult.MISSING, None)
    if not row.live:
        return CancelAnswer(CancelResult.REFUSED, row.status)
    if row.status is _PENDING and row.task.persist:
        row.end_time = now
        table.end(row, _CANCELLED, now)
        return CancelAnswer(CancelResult.CANCELLED, _CANCELLED)
    row.cancel_asked = True
    return CancelAnswer(CancelResult.ASKED, row.status)
