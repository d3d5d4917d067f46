"""Ended attempts of tasks: at most one per claim."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from fastapi_taskflow.backends.base import Attempt, Outcome
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros
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


class _Ended(Protocol):
    seq: int
    fence: int
    failures: int
    instance: str | None
    start_at: int | None


class History:
    """Gathers the attempts that a batch of outcomes adds."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._added: dict[tuple[int, int], tuple[Any, ...]] = {}

    def add(self, task: _Ended, outcome: Outcome) -> None:
        """An attempt ended, and its task goes on."""
        self._put(
            (task.seq, task.fence),
            (task.failures, task.instance, task.start_at),
            outcome,
            late=False,
        )

    def add_late(self, seq: int, failures: int, outcome: Outcome) -> bool:
        """An outcome came without its lease: keep it once; False if it was accepted before."""
        claim = (seq, outcome.lease.fence)
        if claim not in self._added:
            row = self._tx.one(_OF_CLAIM, claim)
            if row is not None:
                return bool(row[0])
            self._put(claim, (failures, None, None), outcome, late=True)
        return bool(self._added[claim][-1])

    def write(self) -> None:
        """Store them."""
        self._tx.write(_ADD, list(self._added.values()))

    def _put(
        self, claim: tuple[int, int], begin: tuple[Any, ...], outcome: Outcome, *, late: bool
    ) -> None:
        self._added[claim] = (
            *claim,
            *begin,
            self._tx.now,
            outcome.elapsed,
            outcome.move.value,
            outcome.error,
            outcome.stacktrace,
            late,
        )


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
