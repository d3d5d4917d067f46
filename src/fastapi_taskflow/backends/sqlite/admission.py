"""Insert: plain tasks (no key, no limit, no retry) go straight to a few large statements.

For the others everything that decides is read first, then judged, then written. That a group
is refused takes nothing back, so no savepoints are needed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastapi_taskflow.backends.base import Admission, Lease, NewTask
from fastapi_taskflow.backends.rules.accepting import displaced_by, write
from fastapi_taskflow.backends.rules.admission import Desk, is_plain
from fastapi_taskflow.backends.rules.duetimes import due_of
from fastapi_taskflow.backends.rules.facts import Facts
from fastapi_taskflow.backends.rules.rows import Row, row_of
from fastapi_taskflow.backends.sqlite.applying import apply, write_tags
from fastapi_taskflow.backends.sqlite.batchrows import follow_batches
from fastapi_taskflow.backends.sqlite.leases import Held
from fastapi_taskflow.backends.sqlite.loading import facts_of, load
from fastapi_taskflow.backends.sqlite.rows import (
    INSERT,
    INSERT_LEAN,
    plain_row,
    task_row,
)
from fastapi_taskflow.backends.sqlite.schema import CODES
from fastapi_taskflow.backends.sqlite.transactions import MustLook, Transaction
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import is_throttle

__all__ = ["Terms", "insert"]

_PENDING = CODES[TaskStatus.PENDING]


class Terms(NamedTuple):
    """What holds for all groups of a call."""

    limits: tuple[tuple[str, int], ...]
    # Seconds.
    key_ttl: float


def insert(tx: Transaction, terms: Terms, groups: Sequence[Sequence[NewTask]]) -> list[Admission]:
    """Judge and store groups of tasks, see `Backend.insert`.

    Raises:
        MustLook: a task of a plain group is stored already; run again, carefully.
    """
    limits = dict(terms.limits)
    if not tx.careful and all(is_plain(group, limits) for group in groups):
        return _insert_plain(tx, groups)
    desk, plan = Desk(facts_of(tx, groups, limits), limits, tx.present), tx.plan()
    answers = [desk.judge(group) for group in groups]
    rows = load(tx, displaced_by(desk.draft))
    write(plan, desk.draft, rows, lead=tx.lead, key_ttl=terms.key_ttl, unstored=())
    follow_batches(tx, plan)
    apply(tx, plan, rows)
    _learn(tx, plan.inserted.values())
    return answers


def _insert_plain(tx: Transaction, groups: Sequence[Sequence[NewTask]]) -> list[Admission]:
    desk = Desk(Facts({}, {}, {}, {}, {}, tx.alive, {}), {}, tx.present)
    answers: list[Admission] = [desk.accept(group) for group in groups]
    tasks = [entry.task for entry in desk.draft.entries]
    numbered = list(zip(tx.arrivals(len(tasks)), tasks, strict=True))
    lean, others = [], []
    for number, task in numbered:
        due_at = due_of(task, tx.present, tx.lead) if task.due_at or task.delay else None
        if task.priority is None and not task.tags and task.title is None:
            lean.append(plain_row(number, task, due_at, tx.now))
        else:
            row = row_of(task, due_at or tx.present)
            row.arrival = number
            others.append(task_row(row, tx.now))
    try:
        tx.write(INSERT_LEAN, lean)
        tx.write(INSERT, others)
    except sqlite3.IntegrityError as exc:
        # A task that was taken for new is known: the insert was sent again.
        raise MustLook from exc
    write_tags(tx, ((number, task.tags) for number, task in numbered if task.tags))
    for kind, times in Counter((task.queue, task.func_name) for task in tasks).items():
        tx.counters.move(kind, None, _PENDING, waits=1, times=times)
    held = [
        (Lease(task.task_id, 1), Held(number, task.queue, task.func_name, bound=False, fresh=True))
        for number, task in numbered
        if task.owner is not None
    ]
    tx.given_out(held)
    return answers


def _learn(tx: Transaction, rows: Iterable[Row]) -> None:
    held = [
        (
            Lease(row.task_id, row.fence),
            Held(
                row.arrival,
                row.queue,
                row.func_name,
                bound=row.idempotency_key is not None or row.batch_id is not None,
                fresh=True,
            ),
        )
        for row in rows
        # Who starts a throttled one has to look at its key.
        if row.owner is not None and not is_throttle(row.idempotency_key)
    ]
    tx.given_out(held)
