"""How many tasks there are of each kind, kept up to date so that nothing has to be counted.

Changes are summed up in memory while a transaction runs and written once before its
commit: a batch of a hundred tasks of one function costs two statements, one for the
counters and one for the ends of this minute (see `rollups`).
"""
# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi_taskflow.backends.sqlite.schema import FIRST_TERMINAL, WAITING
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.words.durations import bin_of

__all__ = ["Counters"]

_ADD = Rows(
    "INSERT INTO @counters (queue, func, state, rows, ended, seconds) VALUES {rows}"
    " ON CONFLICT (queue, func, state) DO UPDATE SET rows = rows + excluded.rows,"
    " ended = ended + excluded.ended, seconds = seconds + excluded.seconds",
    6,
    padded=False,
)
_ADD_ENDS = Rows(
    "INSERT INTO @ends (start, func, state, bin, n, seconds)"
    " SELECT * FROM (VALUES {rows}) AS v WHERE v.column1 IS NOT NULL"
    " ON CONFLICT (start, func, state, bin)"
    " DO UPDATE SET n = n + excluded.n, seconds = seconds + excluded.seconds",
    6,
)
_WAITING = f"SELECT rows FROM @counters WHERE queue = ? AND func = '' AND state = {WAITING}"

_MINUTE_MICROS = 60_000_000
_MICROS_PER_SECOND = 1_000_000

# Queue, function, from which state to which, what that adds to the queue's waiting ones, and
# the bin of what the last attempt took.
_Move = tuple[str, str, int | None, int | None, int, int]


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
        seconds: float | None = None,
        times: int = 1,
    ) -> None:
        """Tasks of some queue and function changed their state.

        Args:
            source: None if it did not exist before.
            target: None if it does not exist any more.
            waits: 1 or -1 if it is now, or is no more, PENDING without ever having started.
            seconds: What its last attempt took, if it is terminal now and this is known.
            times: So many tasks, each the same.
        """
        key = (*kind, source, target, waits, bin_of(seconds))
        before, total = self._moves.get(key, (0, 0.0))
        self._moves[key] = (before + times, total + times * (seconds or 0.0))

    def waiting(self, session: Session, queue: str) -> int:
        """PENDING tasks of the queue that were never started, with the changes so far."""
        row = session.one(_WAITING, (queue,))
        changed = sum(
            waits * times
            for (name, *_, waits, _), (times, _) in self._moves.items()
            if name == queue
        )
        return (row[0] if row and isinstance(row[0], int) else 0) + changed

    def changes(self, now: int) -> Iterator[tuple[str, list[Any]]]:
        """The statements that write the changes, which all happened at ``now``."""
        yield from _ADD.batches(self._cells())
        ends = self._ends(now // _MINUTE_MICROS * _MINUTE_MICROS // _MICROS_PER_SECOND)
        yield from _ADD_ENDS.batches(ends)

    def _cells(self) -> list[tuple[Any, ...]]:
        cells: dict[tuple[str, str, int], tuple[int, int, float]] = {}

        def add(cell: tuple[str, str, int], rows: int, ended: int, seconds: float) -> None:
            old = cells.get(cell, (0, 0, 0.0))
            cells[cell] = (old[0] + rows, old[1] + ended, old[2] + seconds)

        for (queue, func, source, target, waits, _), (times, seconds) in self._moves.items():
            if source is not None:
                add((queue, func, source), -times, 0, 0.0)
            if target is not None:
                ended = times if target >= FIRST_TERMINAL else 0
                add((queue, func, target), times, ended, seconds)
            if waits:
                add((queue, "", WAITING), waits * times, 0, 0.0)
        return [(*cell, *change) for cell, change in cells.items() if any(change)]

    def _ends(self, minute: int) -> list[tuple[Any, ...]]:
        """What ended in the minute that begins at this second."""
        sums: dict[tuple[int, str, int, int], tuple[int, float]] = {}
        for (_, func, _, target, _, number), (times, seconds) in self._moves.items():
            if target is not None and target >= FIRST_TERMINAL:
                end = (minute, func, target, number)
                old = sums.get(end, (0, 0.0))
                sums[end] = (old[0] + times, old[1] + seconds)
        return [(*end, *added) for end, added in sums.items()]
