"""Claim, start, end, cancel, hand over: what each does to a row that was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import (
    CancelAnswer,
    CancelResult,
    ClaimRequest,
    Lease,
    LogChunk,
    Outcome,
    Settled,
)
from fastapi_taskflow.backends.rules.duetimes import later
from fastapi_taskflow.backends.rules.plan import Held, Lines, Plan
from fastapi_taskflow.backends.rules.rows import Row
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
from fastapi_taskflow.backends.rules.telling import given, told
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "append_lines",
    "cancel",
    "finish",
    "hand_over",
    "may_recover",
    "overtaken",
    "start",
    "take",
]


def take(plan: Plan, row: Row, request: ClaimRequest) -> Lease:
    """A free task is claimed."""
    plan.change(row, owner=request.instance, fence=row.fence + 1, claim_id=request.claim_id)
    return Lease(row.task_id, row.fence)


def hand_over(plan: Plan, row: Row, by: str) -> Lease:
    """A task of a dead instance goes to another, in its state."""
    plan.change(row, owner=by, fence=row.fence + 1, claim_id=None)
    return Lease(row.task_id, row.fence)


def may_recover(by: str, dead: str, *, alive: bool) -> bool:
    """Only the living recover, and nobody from itself."""
    return alive and by != dead


def start(plan: Plan, rows: Mapping[str, Row], lease: Lease) -> datetime | None:
    """The start time; None: the lease is lost."""
    row = rows.get(lease.task_id)
    if row is None or not holds(row, lease):
        return None
    if row.status is not TaskStatus.RUNNING:
        if key_runs(row.idempotency_key, started=row.start_time is not None):
            plan.kept.append(Held(row.idempotency_key or "", row.task_id))
        plan.change(
            row,
            status=TaskStatus.RUNNING,
            start_time=plan.now,
            retries_used=row.failures,
            instance=row.owner,
            claim_id=None,
            elapsed=None,
        )
    return row.start_time


def overtaken(rows: Mapping[str, Row], outcomes: Iterable[Outcome]) -> set[str]:
    """Tasks of outcomes that are late: `finish` has to know which of their attempts are kept."""
    named = [(rows.get(one.lease.task_id), one) for one in outcomes]
    return {row.task_id for row, one in named if row is not None and is_late(row, one)}


def finish(
    plan: Plan, rows: Mapping[str, Row], history: MutableMapping[Lease, bool], outcome: Outcome
) -> Settled | None:
    """What becomes of an outcome. None: no such task.

    Args:
        history: Of leases whose attempt is kept, whether it was late; of those outcomes at
            least that are late.
    """
    row = rows.get(outcome.lease.task_id)
    if row is None:
        return None
    if is_late(row, outcome):
        return Settled(row.status, late=_keep_late(plan, row, history, outcome))
    change = settle(row, outcome)
    if change is not None:
        _apply(plan, row, outcome, change)
    return Settled(row.status)


def _keep_late(
    plan: Plan, row: Row, history: MutableMapping[Lease, bool], outcome: Outcome
) -> bool:
    late = history.get(outcome.lease)
    if late is None:
        plan.attempts.append((row.task_id, attempt_of(row, outcome, plan.now)))
        late = history[outcome.lease] = True
    return late


def _apply(plan: Plan, row: Row, outcome: Outcome, change: Change) -> None:
    if change.ends_attempt:
        plan.attempts.append((row.task_id, attempt_of(row, outcome, plan.now)))
    if outcome.logs or outcome.logs_anew:
        plan.lines.append(Lines(row.task_id, outcome.logs, outcome.logs_anew))
    values: dict[str, Any] = {
        "failures": row.failures + change.failures,
        "interruptions": row.interruptions + change.interruptions,
        "error": outcome.error,
        "stacktrace": outcome.stacktrace,
        "failure": plan.fail(row, outcome.failure),
        "elapsed": row.elapsed if outcome.elapsed is None else outcome.elapsed,
        **told(outcome),
    }
    if change.target is TaskStatus.SUCCESS:
        values |= given(outcome.result, plan.now)
    if change.over:
        plan.end(row, change.target, **values)
    else:
        due_at = later(plan.now, outcome.delay)
        plan.change(row, status=change.target, owner=None, claim_id=None, due_at=due_at, **values)


def cancel(plan: Plan, row: Row | None) -> CancelAnswer:
    """Cancel a task, or ask its owner to."""
    result = cancelling(row)
    if row is None:
        return CancelAnswer(result, None)
    if result is CancelResult.CANCELLED:
        plan.end(row, TaskStatus.CANCELLED)
    elif result is CancelResult.ASKED and not row.cancel_asked:
        plan.change(row, cancel_asked=True)
    return CancelAnswer(result, row.status)


def append_lines(plan: Plan, rows: Mapping[str, Row], chunk: LogChunk) -> None:
    """Keep what a running attempt tells."""
    row = rows.get(chunk.lease.task_id)
    if row is None or not takes_lines(row, chunk.lease):
        return
    if chunk.lines or chunk.anew:
        plan.lines.append(Lines(row.task_id, chunk.lines, chunk.anew))
    if values := told(chunk):
        plan.change(row, **values)
