"""How many tasks there are of each kind, kept up to date so that nothing has to be counted.

Changes are summed up in memory while a transaction runs and written once before its
commit: a batch of a hundred tasks of one function costs two statements, one for the
counters and one for the ends of this minute (see `rollups`).
"""
# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sqlite.schema import CODES, FIRST_TERMINAL, WAITING
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.words.durations import bin_of

__all__ = ["Counters"]

K = TypeVar("K")

_ADD = Rows(
    "INSERT INTO @counters (queue, func, state, rows, ended, seconds) VALUES {rows}"
    " ON CONFLICT (queue, func, state) DO UPDATE SET rows = rows + excluded.rows,"
    " ended = ended + excluded.ended, seconds = seconds + excluded.seconds",
    6,
    padded=False,
)
_ADD_ENDS = Rows(
    "INSERT INTO @ends (start, func, state, bin, n, seconds, waited)"
    " SELECT * FROM (VALUES {rows}) AS v WHERE v.column1 IS NOT NULL"
    " ON CONFLICT (start, func, state, bin)"
    " DO UPDATE SET n = n + excluded.n, seconds = seconds + excluded.seconds,"
    " waited = waited + excluded.waited",
    7,
)
_WAITING = f"SELECT rows FROM @counters WHERE queue = ? AND func = '' AND state = {WAITING}"

_MINUTE_MICROS = 60_000_000
_MINUTE_SECONDS = 60
_MICROS_PER_SECOND = 1_000_000

# Queue, function and state.
_Cell = tuple[str, str, int]
# The second in which a minute begins, function, state and bin.
_End = tuple[int, str, int, int]


class Counters:
    """Changes that are not written yet."""

    def __init__(self) -> None:
        # Tasks that came to a state, less those that left it.
        self._rows: dict[_Cell, int] = {}
        # The same by queue, of PENDING ones that were never started.
        self._waiting: dict[str, int] = {}
        # What ended, by cell and bin: how many, and the seconds of their last attempts in all.
        self._ended: dict[tuple[_Cell, int], tuple[int, float]] = {}
        # Of those that had started: by minute of the start, function, state and bin of the wait.
        self._waited: dict[_End, int] = {}

    def copy(self) -> Counters:
        """A second one with the same changes."""
        twin = Counters()
        twin._rows, twin._waiting = dict(self._rows), dict(self._waiting)
        twin._ended, twin._waited = dict(self._ended), dict(self._waited)
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
        if source is not None:
            _add(self._rows, (*kind, source), -times)
        if target is not None:
            cell = (*kind, target)
            _add(self._rows, cell, times)
            if target >= FIRST_TERMINAL:
                self._end(cell, bin_of(seconds), times, times * (seconds or 0.0))
        if waits:
            _add(self._waiting, kind[0], waits * times)

    def add(self, plan: Plan) -> None:
        """All that a plan counts."""
        for (queue, func, status), times in plan.rows.items():
            _add(self._rows, (queue, func, CODES[status]), times)
        for name, times in plan.waiting.items():
            _add(self._waiting, name, times)
        seconds = plan.seconds
        for length, times in plan.ended.items():
            queue, func, status = length.cell
            self._end((queue, func, CODES[status]), length.bin, times, seconds[length])
        for wait, times in plan.waited.items():
            _, func, status = wait.cell
            _add(self._waited, (wait.minute, func, CODES[status], wait.bin), times)

    def wait(self, func: str, state: int, due: int, start: int) -> None:
        """A task that ended had started at ``start``, when it was due since ``due``."""
        if due <= start:
            waited = bin_of((start - due) / _MICROS_PER_SECOND)
            _add(self._waited, (_minute(start), func, state, waited), 1)

    def _end(self, cell: _Cell, number: int, times: int, seconds: float) -> None:
        before, total = self._ended.get((cell, number), (0, 0.0))
        self._ended[cell, number] = (before + times, total + seconds)

    def waiting(self, session: Session, queue: str) -> int:
        """PENDING tasks of the queue that were never started, with the changes so far."""
        row = session.one(_WAITING, (queue,))
        stored = row[0] if row and isinstance(row[0], int) else 0
        return int(stored + self._waiting.get(queue, 0))

    def changes(self, now: int) -> Iterator[tuple[str, list[Any]]]:
        """The statements that write the changes, which all happened at ``now``."""
        yield from _ADD.batches(self._cells())
        yield from _ADD_ENDS.batches(self._ends(_minute(now)))

    def _cells(self) -> list[tuple[Any, ...]]:
        cells = {cell: (times, 0, 0.0) for cell, times in self._rows.items()}
        for (cell, _), (times, seconds) in self._ended.items():
            rows, ended, total = cells.get(cell, (0, 0, 0.0))
            cells[cell] = (rows, ended + times, total + seconds)
        for queue, times in self._waiting.items():
            cells[queue, "", WAITING] = (times, 0, 0.0)
        return [(*cell, *change) for cell, change in cells.items() if any(change)]

    def _ends(self, minute: int) -> list[tuple[Any, ...]]:
        """What ended in the minute that begins at this second, and when it had started."""
        sums: dict[_End, tuple[int, float]] = {}
        for ((_, func, state), number), (times, seconds) in self._ended.items():
            end = (minute, func, state, number)
            old = sums.get(end, (0, 0.0))
            sums[end] = (old[0] + times, old[1] + seconds)
        waited = self._waited
        ends = [(*end, *added, waited.get(end, 0)) for end, added in sums.items()]
        ends += [(*end, 0, 0.0, times) for end, times in waited.items() if end not in sums]
        return ends


def _minute(micros: int) -> int:
    """The second in which its minute begins."""
    return micros // _MINUTE_MICROS * _MINUTE_SECONDS


def _add(numbers: dict[K, int], key: K, number: int) -> None:
    numbers[key] = numbers.get(key, 0) + number
