"""Ended attempts of tasks: at most one per claim."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi_taskflow.backends.base import Attempt
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.states import Move

__all__ = ["History", "attempts_of"]

_ADD = Rows(
    "INSERT OR IGNORE INTO @attempts (task, fence, number, instance, start_at, end_at, elapsed,"
    " move, error, stacktrace, late) VALUES {rows}",
    11,
    padded=False,
)
_OF_CLAIM = "SELECT late FROM @attempts WHERE task = ? AND fence = ?"
_OF_TASK = (
    "SELECT number, fence, instance, start_at, end_at, elapsed, move, error, stacktrace, late"
    " FROM @attempts WHERE task = ? ORDER BY id"
)


class History:
    """Gathers the attempts that a batch of outcomes adds."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._added: dict[tuple[int, int], Attempt] = {}

    def add(self, seq: int, attempt: Attempt) -> None:
        """An attempt of the task ``seq`` ended."""
        self._added[seq, attempt.fence] = attempt

    def add_late(self, seq: int, attempt: Attempt) -> bool:
        """Keep one that came without its lease, once; False if it was accepted before."""
        claim = (seq, attempt.fence)
        if claim not in self._added:
            row = self._tx.one(_OF_CLAIM, claim)
            if row is not None:
                return bool(row[0])
            self._added[claim] = attempt
        return self._added[claim].late

    def write(self) -> None:
        """Store them."""
        self._tx.write(
            _ADD, [_row(seq, one, self._tx.now) for (seq, _), one in self._added.items()]
        )


def _row(seq: int, one: Attempt, end_at: int) -> tuple[Any, ...]:
    start_at = None if one.started_at is None else to_micros(one.started_at)
    return (
        seq, one.fence, one.number, one.instance, start_at, end_at, one.elapsed,
        one.move.value, one.error, one.stacktrace, one.late,
    )  # fmt: skip


def attempts_of(session: Session, seq: int) -> list[Attempt]:
    """The history of one task, oldest first."""
    attempts: list[Attempt] = []
    for row in session.all(_OF_TASK, (seq,)):
        with suppress(TypeError, ValueError):  # a damaged one is left out
            attempts.append(_attempt(row))
    return attempts


def _attempt(row: Sequence[Any]) -> Attempt:
    number, fence, instance, start_at, end_at, elapsed, move, error, stacktrace, late = row
    texts = (instance, error, stacktrace)
    if not all(value is None or type(value) is str for value in texts):
        raise TypeError(texts)
    return Attempt(
        int(number),
        int(fence),
        instance,
        moment(start_at),
        from_micros(end_at),
        None if elapsed is None else float(elapsed),
        Move(move),
        error,
        stacktrace,
        bool(late),
    )
