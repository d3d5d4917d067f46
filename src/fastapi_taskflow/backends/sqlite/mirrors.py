"""Mirror: the latest state of tasks that only their owner writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi_taskflow.backends.base import MirrorAnswer, NewTask, Snapshot
from fastapi_taskflow.backends.rules.admission import Entry
from fastapi_taskflow.backends.rules.mirroring import BORN, accepts
from fastapi_taskflow.backends.sqlite.admission import write_tags
from fastapi_taskflow.backends.sqlite.logs import Lines
from fastapi_taskflow.backends.sqlite.outcomes import LiveRow, look, release_keys
from fastapi_taskflow.backends.sqlite.rows import INSERT_LATER, Present, new_row
from fastapi_taskflow.backends.sqlite.schema import CODES, STATES
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["mirror"]

_STATE = Rows(
    "UPDATE @tasks SET state = v.column2, owner = v.column3, instance = v.column4,"
    " start_at = v.column5, end_at = v.column6, due_at = v.column7, retries_used = v.column8,"
    " failures = v.column9, elapsed = v.column10, error = v.column11, stacktrace = v.column12"
    " FROM (VALUES {rows}) AS v WHERE @tasks.seq = v.column1",
    12,
)
_PENDING = CODES[TaskStatus.PENDING]


def mirror(tx: Transaction, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
    """Write snapshots over their rows, see `Backend.mirror`."""
    return _Mirroring(tx, instance, snapshots).run(snapshots)


class _Mirroring:
    def __init__(self, tx: Transaction, instance: str, snapshots: Sequence[Snapshot]) -> None:
        self._tx = tx
        self._instance = instance
        self._rows = look(tx, [one.task.task_id for one in snapshots])
        self._new: list[tuple[int, NewTask]] = []
        # The last snapshot of a row wins; two of them in one statement would not.
        self._states: dict[int, tuple[Any, ...]] = {}
        self._logs = Lines()
        self._ended: list[LiveRow] = []

    def run(self, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        answers = [self._take(one) for one in snapshots]
        tx = self._tx
        new = [(seq, task, self._states.pop(seq)) for seq, task in self._new]
        tx.write(INSERT_LATER, [_row(seq, task, tx.present, state) for seq, task, state in new])
        write_tags(tx, self._new)
        tx.write(_STATE, list(self._states.values()))
        self._logs.write(tx)
        release_keys(tx, self._ended)
        return answers

    def _take(self, snapshot: Snapshot) -> MirrorAnswer:
        row = self._rows.get(snapshot.task.task_id)
        if row is None:
            row = self._add(snapshot)
        elif not accepts(row):
            return MirrorAnswer(accepted=False, cancel_asked=bool(row.cancel_asked))
        self._write(row, snapshot)
        return MirrorAnswer(accepted=True, cancel_asked=bool(row.cancel_asked))

    def _add(self, snapshot: Snapshot) -> LiveRow:
        """A row as if born claimed; what is in the snapshot is written over it."""
        task = snapshot.task
        (seq,) = self._tx.arrivals(1)
        self._new.append((seq, task))
        row = LiveRow.born(seq, task)
        self._rows[task.task_id] = row
        self._tx.counters.move((row.queue, row.func), None, _PENDING, waits=1)
        return row

    def _write(self, row: LiveRow, one: Snapshot) -> None:
        source, waited = row.state, row.waits
        row.state = CODES[one.status]
        row.start_at = None if one.start_time is None else to_micros(one.start_time)
        row.elapsed = one.elapsed
        over = one.status in TERMINAL
        if one.start_time is not None:
            row.instance = self._instance
        row.owner = None if over else self._instance
        self._states[row.seq] = (
            row.seq, row.state, row.owner, row.instance, row.start_at,
            None if one.end_time is None else to_micros(one.end_time),
            None if one.due_at is None else to_micros(one.due_at),
            one.retries_used, one.failures, one.elapsed, one.error, one.stacktrace,
        )  # fmt: skip
        if one.logs:
            self._logs.add(row.seq, one.logs, anew=one.logs_anew)
        if over:
            self._ended.append(row)
        if over or source != row.state or waited != row.waits:
            self._tx.counters.move(
                (row.queue, row.func),
                source,
                row.state,
                waits=row.waits - waited,
                seconds=row.elapsed if over else None,
            )


def _row(seq: int, task: NewTask, present: Present, latest: tuple[Any, ...]) -> tuple[Any, ...]:
    """A new task's row for `INSERT_LATER`, in its latest state (a row for ``_STATE``)."""
    (
        _, state, owner, instance, start_at, end_at, due_at, retries_used, failures, elapsed,
        error, stacktrace,
    ) = latest  # fmt: skip
    birth = new_row(seq, Entry(task, STATES[state]), present)
    return (
        seq, state, BORN, owner, BORN, due_at, end_at, *birth[7:],
        instance, start_at, retries_used, failures, elapsed, error, stacktrace,
    )  # fmt: skip
