"""How many tasks there are of each kind, kept up to date so that nothing has to be counted.

Changes are summed up in memory while a transaction runs and written once before its
commit: a batch of a hundred tasks of one function costs one statement.
"""
# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi_taskflow.backends.sqlite.schema import FIRST_TERMINAL, WAITING
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows

__all__ = ["Counters"]

_ADD = Rows(
    "INSERT INTO @counters (queue, func, state, rows, ended, seconds) VALUES {rows}"
    " ON CONFLICT (queue, func, state) DO UPDATE SET rows = rows + excluded.rows,"
    " ended = ended + excluded.ended, seconds = seconds + excluded.seconds",
    6,
    padded=False,
)
_WAITING = f"SELECT rows FROM @counters WHERE queue = ? AND func = '' AND state = {WAITING}"

# Queue, function, from which state to which, and what that adds to the queue's waiting ones.
_Move = tuple[str, str, int | None, int | None, int]


class Counters:
    """Changes that are not written yet."""

    def __init__(self) -> None:
        # How often, and the seconds that the last attempts took in all.
        self._moves: dict[_Move, tuple[int, float]] = {}

    def copy(self) -> Counters:
        """A second one with the same changes."""
        twin = Counters()
        twin._moves = dict(self._moves)
        return twin

    def move(
        self,
        kind: tuple[str, str],
        source: int | None,
        target: int | None,
        *,
        waits: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """A task of some queue and function changed its state.

        Args:
            source: None if it did not exist before.
            target: None if it does not exist any more.
            waits: 1 or -1 if it is now, or is no more, PENDING without ever having started.
            seconds: What its last attempt took, if it is terminal now.
        """
        key = (*kind, source, target, waits)
        times, total = self._moves.get(key, (0, 0.0))
        self._moves[key] = (times + 1, total + seconds)

    def waiting(self, session: Session, queue: str) -> int:
        """PENDING tasks of the queue that were never started, with the changes so far."""
        row = session.one(_WAITING, (queue,))
        changed = sum(
            waits * times for (name, *_, waits), (times, _) in self._moves.items() if name == queue
        )
        return (row[0] if row else 0) + changed

    def changes(self) -> Iterator[tuple[str, list[Any]]]:
        """The statements that write the changes."""
        cells: dict[tuple[str, str, int], tuple[int, int, float]] = {}

        def add(cell: tuple[str, str, int], rows: int, ended: int, seconds: float) -> None:
            old = cells.get(cell, (0, 0, 0.0))
            cells[cell] = (old[0] + rows, old[1] + ended, old[2] + seconds)

        for (queue, func, source, target, waits), (times, seconds) in self._moves.items():
            if source is not None:
                add((queue, func, source), -times, 0, 0.0)
            if target is not None:
                ended = times if target >= FIRST_TERMINAL else 0
                add((queue, func, target), times, ended, seconds)
            if waits:
                add((queue, "", WAITING), waits * times, 0, 0.0)
        return _ADD.batches([(*cell, *change) for cell, change in cells.items() if any(change)])
