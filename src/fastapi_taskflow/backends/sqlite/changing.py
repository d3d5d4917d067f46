"""The verbs that change tasks: load, let the rules decide, apply the plan.

The transaction holds the write lock, so a look is as good as a compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi_taskflow.backends.base import (
    CancelAnswer,
    Lease,
    LogChunk,
    MirrorAnswer,
    Outcome,
    Settled,
    Snapshot,
)
from fastapi_taskflow.backends.rules import mirroring, moves
from fastapi_taskflow.backends.sqlite.applying import apply
from fastapi_taskflow.backends.sqlite.batchrows import follow_batches
from fastapi_taskflow.backends.sqlite.loading import canonical, history_of, load
from fastapi_taskflow.backends.sqlite.shortcuts import start_held, succeed_held
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["append_logs", "cancel", "finish", "mirror", "start"]

_SUCCEEDED = Settled(TaskStatus.SUCCESS)


def start(tx: Transaction, leases: Sequence[Lease]) -> list[datetime | None]:
    """Commit RUNNING, see `Backend.start`."""
    if start_held(tx, leases):
        return [tx.present] * len(leases)
    plan, rows = tx.plan(), load(tx, [lease.task_id for lease in leases])
    answers = [moves.start(plan, rows, lease) for lease in leases]
    apply(tx, plan, rows)
    return answers


def finish(tx: Transaction, outcomes: Sequence[Outcome]) -> list[Settled | None]:
    """End claims, see `Backend.finish`."""
    ended = succeed_held(tx, outcomes)
    if len(ended) == len(outcomes):
        return [_SUCCEEDED] * len(outcomes)
    rest = [outcome for outcome in outcomes if outcome.lease not in ended]
    plan, rows = tx.plan(), load(tx, [outcome.lease.task_id for outcome in rest])
    history = history_of(tx, rows, rest)
    answers = [
        _SUCCEEDED if one.lease in ended else moves.finish(plan, rows, history, one)
        for one in outcomes
    ]
    follow_batches(tx, plan)
    apply(tx, plan, rows)
    return answers


def cancel(tx: Transaction, ids: Sequence[str]) -> list[CancelAnswer]:
    """Cancel what has not started, ask for the rest; see `Backend.cancel`."""
    aliases = canonical(tx, ids)
    named = [aliases.get(one, one) for one in ids]
    plan, rows = tx.plan(), load(tx, named)
    answers = [moves.cancel(plan, rows.get(one)) for one in named]
    follow_batches(tx, plan)
    apply(tx, plan, rows)
    return answers


def mirror(tx: Transaction, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
    """Write snapshots over their rows, see `Backend.mirror`."""
    plan, rows = tx.plan(), load(tx, [one.task.task_id for one in snapshots])
    answers = [mirroring.mirror(plan, rows, instance, one) for one in snapshots]
    follow_batches(tx, plan)
    apply(tx, plan, rows)
    return answers


def append_logs(tx: Transaction, chunks: Sequence[LogChunk]) -> list[None]:
    """Add lines to running tasks whose lease holds, see `Backend.append_logs`."""
    plan, rows = tx.plan(), load(tx, [one.lease.task_id for one in chunks])
    for one in chunks:
        moves.append_lines(plan, rows, one)
    apply(tx, plan, rows)
    return [None] * len(chunks)
