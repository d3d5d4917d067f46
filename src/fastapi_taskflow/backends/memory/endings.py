"""How claims begin, tell and end: `backends.rules.settlement` applied to a row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fastapi_taskflow.backends.base import (
    Attempt,
    CancelAnswer,
    CancelResult,
    Lease,
    LogChunk,
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
    key_runs,
    settle,
    takes_lines,
)
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["cancel", "cancel_all", "finish_all", "hear", "start"]

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
        started = record.start_time is not None
        if row.hold is not None and key_runs(row.hold.key, started=started):
            table.keys.expire(row.hold, now)
        record.start_time = now
        record.elapsed = None
        record.instance = row.owner
        record.retries_used = row.failures
    return row.record.start_time


def hear(table: Table, chunk: LogChunk) -> None:
    """Keep what a running attempt tells."""
    row = table.rows.get(chunk.lease.task_id)
    if row is not None and takes_lines(row, chunk.lease):
        row.add_logs(chunk.lines, anew=chunk.anew)
        row.hear(chunk)


def finish_all(table: Table, outcomes: Iterable[Outcome], now: datetime) -> list[Settled | None]:
    """End claims, or keep late attempts of those that were lost."""
    answers = [_finish(table, outcome, now) for outcome in outcomes]
    table.pass_on(now)
    return answers


def _finish(table: Table, outcome: Outcome, now: datetime) -> Settled | None:
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
    table.fail(row, outcome.failure, now)
    if outcome.elapsed is not None:
        row.record.elapsed = outcome.elapsed
    row.hear(outcome)
    if change.target is TaskStatus.SUCCESS:
        table.give(row, outcome.result, now)
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


def cancel_all(table: Table, task_ids: Iterable[str], now: datetime) -> list[CancelAnswer]:
    """End what has not started, ask for the rest."""
    answers = [cancel(table, task_id, now) for task_id in task_ids]
    table.pass_on(now)
    return answers


def cancel(table: Table, task_id: str, now: datetime) -> CancelAnswer:
    """The same for one; the turn of its order key is not passed on yet."""
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
