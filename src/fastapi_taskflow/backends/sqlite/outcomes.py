"""Start, finish and cancel: the compare-and-sets on claimed tasks.

The transaction holds the write lock, so a look is as good as a compare. A batch is read at
once, decided in memory in order (a later question sees what earlier ones did), written at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import (
    CancelAnswer,
    CancelResult,
    Lease,
    LogChunk,
    NewTask,
    Outcome,
    Settled,
)
from fastapi_taskflow.backends.rules import settlement
from fastapi_taskflow.backends.rules.mirroring import waits
from fastapi_taskflow.backends.sqlite.history import History
from fastapi_taskflow.backends.sqlite.logs import Lines
from fastapi_taskflow.backends.sqlite.rows import due_after, moment
from fastapi_taskflow.backends.sqlite.schema import CODES, status_of
from fastapi_taskflow.backends.sqlite.shortcuts import start_held, succeed_held
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "LiveRow",
    "append_logs",
    "cancel",
    "count_end",
    "finish",
    "look",
    "release_keys",
    "start",
]

_LOOK = Rows(
    "SELECT seq, id, queue, func, state, fence, owner, instance, failures, interruptions,"
    " cancel_asked, persist, start_at, elapsed, idempotency_key"
    " FROM @tasks WHERE id IN ({rows})",
    1,
)
_START = Rows(
    "UPDATE @tasks SET state = 1, start_at = ?1, elapsed = NULL, instance = owner,"
    " retries_used = failures"
    " WHERE seq IN ({rows})",
    1,
)
_FINISH = Rows(
    "UPDATE @tasks SET owner = NULL, claim_id = NULL, state = v.column2, failures = v.column3,"
    " interruptions = v.column4, due_at = coalesce(v.column5, due_at), end_at = v.column6,"
    " elapsed = coalesce(v.column7, elapsed), error = v.column8, stacktrace = v.column9"
    " FROM (VALUES {rows}) AS v WHERE @tasks.seq = v.column1",
    9,
)
_CANCEL = Rows(
    "UPDATE @tasks SET state = 5, owner = NULL, claim_id = NULL, end_at = ?1 WHERE seq IN ({rows})",
    1,
)
_ASK = Rows("UPDATE @tasks SET cancel_asked = 1 WHERE seq IN ({rows})", 1)
_ALIASES = Rows("SELECT id, task_id FROM @aliases WHERE id IN ({rows})", 1)
_HOLD_KEY = "UPDATE @keys SET expires_at = ? + ttl WHERE key = ? AND task_id = ?"
_FREE_KEY = "DELETE FROM @keys WHERE key = ? AND task_id = ?"

_PENDING = CODES[TaskStatus.PENDING]
_RUNNING = CODES[TaskStatus.RUNNING]
_CANCELLED = CODES[TaskStatus.CANCELLED]
_INTERRUPTED = CODES[TaskStatus.INTERRUPTED]
_STATES = frozenset(CODES.values())
# Attributes of `LiveRow`, what they hold, and what stands in for anything else.
_MENDED: tuple[tuple[str, type, Any], ...] = (
    ("fence", int, 0),
    ("failures", int, 0),
    ("interruptions", int, 0),
    ("cancel_asked", int, 0),
    ("persist", int, 0),
    ("start_at", int, None),
    ("elapsed", float, None),
    ("key", str, None),
    ("queue", str, "default"),
    ("func", str, ""),
)
_SUCCEEDED = Settled(TaskStatus.SUCCESS)


class LiveRow:
    """What decides about a task, as it is after the questions answered so far."""

    __slots__ = (
        "cancel_asked", "elapsed", "failures", "fence", "func", "instance", "interruptions", "key",
        "owner", "persist", "queue", "seq", "start_at", "state", "task_id",
    )  # fmt: skip

    def __init__(self, row: Sequence[Any]) -> None:
        (
            self.seq, self.task_id, self.queue, self.func, self.state, self.fence, self.owner,
            self.instance, self.failures, self.interruptions, self.cancel_asked, self.persist,
            self.start_at, self.elapsed, self.key,
        ) = row  # fmt: skip

    @classmethod
    def born(cls, seq: int, task: NewTask) -> LiveRow:
        """The row of a task that is being stored, claimed."""
        state = (seq, task.task_id, task.queue, task.func_name, _PENDING, 1, task.owner)
        history = (None, 0, 0, False, task.persist, None, None, task.idempotency_key)
        return cls((*state, *history))

    def mend(self) -> None:
        """Put numbers where somebody has put something else.

        What is in no state that there is is over: nobody can say how.
        """
        for name, kind, stand_in in _MENDED:
            if not isinstance(getattr(self, name), kind):
                setattr(self, name, stand_in)
        if self.state not in _STATES:
            self.state = _INTERRUPTED

    @property
    def status(self) -> TaskStatus:
        """The state as the port names it."""
        return status_of(self.state)

    @property
    def waits(self) -> bool:
        """It counts towards its queue's size."""
        return waits(self.status, started=self.start_at is not None)

    @property
    def start_time(self) -> datetime | None:
        """When it was started last."""
        return moment(self.start_at)


def look(tx: Transaction, ids: Sequence[str]) -> dict[str, LiveRow]:
    """Stored tasks by id."""
    rows = {row[1]: LiveRow(row) for row in tx.find(_LOOK, ids)}
    if tx.careful:
        for row in rows.values():
            row.mend()
    return rows


def start(tx: Transaction, leases: Sequence[Lease]) -> list[datetime | None]:
    """Commit RUNNING, see `Backend.start`."""
    now = from_micros(tx.now)
    if start_held(tx, leases):
        return [now] * len(leases)
    rows = look(tx, [lease.task_id for lease in leases])
    started: list[int] = []
    answers: list[datetime | None] = []
    for lease in leases:
        row = rows.get(lease.task_id)
        if row is None or not settlement.holds(row, lease):
            answers.append(None)
        elif row.state == _RUNNING:
            answers.append(now if row.start_at is None else from_micros(row.start_at))
        else:
            started.append(row.seq)
            answers.append(now)
            tx.counters.move((row.queue, row.func), _PENDING, _RUNNING, waits=-row.waits)
            row.state, row.start_at = _RUNNING, tx.now
    tx.write(_START, [(seq,) for seq in started], tx.now)
    return answers


class _Settlement:
    """Gathers what a batch of outcomes changes."""

    def __init__(self, tx: Transaction, ids: Sequence[str]) -> None:
        self.tx = tx
        self.now = from_micros(tx.now)
        self.rows = look(tx, ids)
        self.history = History(tx)
        self.changed: list[tuple[Any, ...]] = []
        self.logs = Lines()
        self.ended: list[LiveRow] = []

    def settle(self, outcome: Outcome) -> Settled | None:
        row = self.rows.get(outcome.lease.task_id)
        if row is None:
            return None
        change = settlement.settle(row, outcome)
        if change is not None:
            self._apply(row, outcome, change)
        elif settlement.is_late(row, outcome):
            late = self.history.add_late(row.seq, settlement.attempt_of(row, outcome, self.now))
            return Settled(row.status, late)
        return Settled(row.status)

    def _apply(self, row: LiveRow, outcome: Outcome, change: settlement.Change) -> None:
        tx = self.tx
        if change.ends_attempt:
            self.history.add(row.seq, settlement.attempt_of(row, outcome, self.now))
        if outcome.logs:
            self.logs.add(row.seq, outcome.logs, anew=outcome.logs_anew)
        source, row.state = row.state, CODES[change.target]
        row.failures += change.failures
        row.interruptions += change.interruptions
        row.owner = None
        if outcome.elapsed is not None:
            row.elapsed = outcome.elapsed
        due = None if change.over else due_after(tx.now, outcome.delay)
        end = tx.now if change.over else None
        state = (row.seq, row.state, row.failures, row.interruptions, due, end)
        self.changed.append((*state, outcome.elapsed, outcome.error, outcome.stacktrace))
        if change.over:
            count_end(tx, row, source)
            self.ended.append(row)
        elif source != row.state:
            tx.counters.move((row.queue, row.func), source, row.state)

    def write(self) -> None:
        tx = self.tx
        tx.write(_FINISH, self.changed)
        self.logs.write(tx)
        self.history.write()
        release_keys(tx, self.ended)


def finish(tx: Transaction, outcomes: Sequence[Outcome]) -> list[Settled | None]:
    """End claims, see `Backend.finish`."""
    ended = succeed_held(tx, outcomes)
    rest = [outcome.lease.task_id for outcome in outcomes if outcome.lease not in ended]
    settlement = _Settlement(tx, rest)
    answers = [_SUCCEEDED if o.lease in ended else settlement.settle(o) for o in outcomes]
    settlement.write()
    return answers


def cancel(tx: Transaction, ids: Sequence[str]) -> list[CancelAnswer]:
    """Cancel what has not started, ask for the rest; see `Backend.cancel`."""
    aliases = dict(tx.find(_ALIASES, ids))
    canonical = [aliases.get(one, one) for one in ids]
    rows = look(tx, canonical)
    cancelled: list[LiveRow] = []
    asked: list[int] = []
    answers = []
    for task_id in canonical:
        row = rows.get(task_id)
        result = settlement.cancelling(row)
        if row is None:
            answers.append(CancelAnswer(result, None))
            continue
        if result is CancelResult.CANCELLED:
            row.state, row.owner = _CANCELLED, None
            cancelled.append(row)
        elif result is CancelResult.ASKED:
            asked.append(row.seq)
        answers.append(CancelAnswer(result, row.status))
    tx.write(_CANCEL, [(row.seq,) for row in cancelled], tx.now)
    tx.write(_ASK, [(seq,) for seq in asked])
    for row in cancelled:
        count_end(tx, row, _PENDING)
    release_keys(tx, cancelled)
    return answers


def append_logs(tx: Transaction, chunks: Sequence[LogChunk]) -> list[None]:
    """Add lines to running tasks whose lease holds, see `Backend.append_logs`."""
    rows = look(tx, [one.lease.task_id for one in chunks])
    kept = Lines()
    for one in chunks:
        row = rows.get(one.lease.task_id)
        if row is not None and one.lines and settlement.takes_lines(row, one.lease):
            kept.add(row.seq, one.lines, anew=one.anew)
    kept.write(tx)
    return [None] * len(chunks)


def count_end(tx: Transaction, row: LiveRow, source: int) -> None:
    """A task that was in state ``source`` is terminal now."""
    waited = waits(status_of(source), started=row.start_at is not None)
    kind = row.queue, row.func
    tx.counters.move(kind, source, row.state, waits=-waited, seconds=row.elapsed)


def release_keys(tx: Transaction, ended: Sequence[LiveRow]) -> None:
    """Keys of tasks that are terminal now: held for their time, or free."""
    for row in ended:
        if row.key is None:
            continue
        if settlement.keeps_key(row.status, started=row.start_at is not None):
            tx.run(_HOLD_KEY, (tx.now, row.key, row.task_id))
        else:
            tx.run(_FREE_KEY, (row.key, row.task_id))
