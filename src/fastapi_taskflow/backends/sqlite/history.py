"""Ended attempts of tasks: at most one per claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from fastapi_taskflow.backends.base import Attempt
from fastapi_taskflow.backends.sqlite.rows import moment
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros
from fastapi_taskflow.words.states import Move

__all__ = ["attempts_of", "write_attempts"]

_ADD = Rows(
    "INSERT OR IGNORE INTO @attempts (task, fence, number, instance, start_at, end_at, elapsed,"
    " move, error, stacktrace, late, failure) VALUES {rows}",
    12,
    padded=False,
)
_OF_TASK = (
    "SELECT number, fence, instance, start_at, end_at, elapsed, move, error, stacktrace, late,"
    " failure FROM @attempts WHERE task = ? ORDER BY id"
)


def write_attempts(tx: Transaction, attempts: Iterable[tuple[int, Attempt]]) -> None:
    """Add to the histories of tasks, by their numbers; what is there already stays."""
    tx.write(_ADD, [_row(seq, one) for seq, one in attempts])


def _row(seq: int, one: Attempt) -> tuple[Any, ...]:
    start_at = None if one.started_at is None else to_micros(one.started_at)
    return (
        seq, one.fence, one.number, one.instance, start_at, to_micros(one.ended_at), one.elapsed,
        one.move.value, one.error, one.stacktrace, one.late, one.failure,
    )  # fmt: skip


def attempts_of(session: Session, seq: int) -> list[Attempt]:
    """The history of one task, oldest first."""
    attempts: list[Attempt] = []
    for row in session.all(_OF_TASK, (seq,)):
        with suppress(TypeError, ValueError):  # a damaged one is left out
            attempts.append(_attempt(row))
    return attempts


def _attempt(row: Sequence[Any]) -> Attempt:
    number, fence, instance, start_at, end_at, elapsed, move, error, stacktrace, late, failure = row
    texts = (instance, error, stacktrace, failure)
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
        failure,
    )
