"""How many tasks there are of each kind, kept up to date so that nothing has to be counted.

Changes are summed up in memory while a transaction runs and written once before its
commit: a batch of a hundred tasks of one function costs one statement.
"""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi_taskflow.backends.sqlite.schema import WAITING
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


class Counters:
    """Changes that are not written yet."""

    def __init__(self) -> None:
        # By (queue, function, state code): rows, ended, seconds.
        self._changes: dict[tuple[str, str, int], tuple[int, int, float]] = {}

    def copy(self) -> Counters:
        """A second one with the same changes."""
        twin = Counters()
        twin._changes = dict(self._changes)
        return twin

    def move(self, queue: str, func: str, source: int | None, target: int | None) -> None:
        """A task's state changed; None: it did not exist before, or does not exist any more."""
        if source is not None:
            self._add((queue, func, source), -1, 0, 0.0)
        if target is not None:
            self._add((queue, func, target), 1, 0, 0.0)

    def end(self, queue: str, func: str, source: int | None, target: int, seconds: float) -> None:
        """A task became terminal; its last attempt took ``seconds``."""
        if source is not None:
            self._add((queue, func, source), -1, 0, 0.0)
        self._add((queue, func, target), 1, 1, seconds)

    def wait(self, queue: str, amount: int) -> None:
        """More (or fewer) tasks of the queue are PENDING and were never started."""
        self._add((queue, "", WAITING), amount, 0, 0.0)

    def waiting(self, session: Session, queue: str) -> int:
        """PENDING tasks of the queue that were never started, with the changes so far."""
        row = session.one(_WAITING, (queue,))
        change = self._changes.get((queue, "", WAITING))
        return (row[0] if row else 0) + (change[0] if change else 0)

    def changes(self) -> Iterator[tuple[str, list[Any]]]:
        """The statements that write the changes."""
        rows = [(*key, *change) for key, change in self._changes.items() if any(change)]
        return _ADD.batches(rows)

    def _add(self, key: tuple[str, str, int], rows: int, ended: int, seconds: float) -> None:
        old = self._changes.get(key)
        if old is not None:
            rows, ended, seconds = old[0] + rows, old[1] + ended, old[2] + seconds
        self._changes[key] = (rows, ended, seconds)
