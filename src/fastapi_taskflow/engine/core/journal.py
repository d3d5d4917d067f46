"""A task's log, kept within bounds: the newest lines stay, and a line says what went.

The store has the same lines. When the log overflows, its older half goes at once, and the
lines that are left replace what the store has; so a task that never stops talking costs a
bounded number of bytes here and there, and each line is written twice at the most.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from fastapi_taskflow.words.loglines import dropped_lines, dropped_mark

__all__ = ["MOST_BYTES", "Journal", "Unsent"]

MOST_BYTES = 256 * 1024
"""Of one task's log, in UTF-8."""


class Unsent(NamedTuple):
    """Lines on their way to the store; ``anew``: they replace those that it has."""

    lines: tuple[str, ...]
    anew: bool = False


class Journal:
    """The log of one task, from its first line here. Lines are added from any thread.

    Args:
        logs: The record's own list, with the lines of earlier attempts, which are stored.
        most_lines: At least 4; the line that counts the dropped ones is one of them.
    """

    # Invariant, under the lock: of `_logs` the first `_sent` are in the store or on their
    # way; `_size` is the bytes of all; with `_anew` none is sent.
    __slots__ = ("_anew", "_dropped", "_lock", "_logs", "_most_lines", "_sent", "_size", "_told")

    def __init__(self, logs: list[str], most_lines: int) -> None:
        self._lock = threading.Lock()
        self._logs = logs
        self._most_lines = most_lines
        self._sent = len(logs)
        self._size = sum(map(_bytes, logs))
        self._dropped = dropped_lines(logs)
        self._anew = False
        self._told = False

    def add(self, line: str, *, quiet: bool = False) -> bool:
        """Keep a line. True: somebody has to be told that there are new ones.

        Args:
            quiet: The line can wait for the next one, or for the end.
        """
        with self._lock:
            self._logs.append(line)
            self._size += _bytes(line)
            if len(self._logs) > self._most_lines or self._size > MOST_BYTES:
                self._halve()
            first = not quiet and not self._told
            self._told = self._told or first
            return first

    def take(self) -> Unsent:
        """The lines that were not handed out yet, for the store."""
        with self._lock:
            self._told = False
            fresh = Unsent(tuple(self._logs[self._sent :]), self._anew)
            self._sent = len(self._logs)
            self._anew = False
            return fresh

    def give_back(self, unsent: Unsent) -> None:
        """The store did not take them; the next `take` has them again."""
        with self._lock:
            if unsent.anew:
                self._anew, self._sent = True, 0
            elif not self._anew:
                self._sent -= len(unsent.lines)

    def shown(self, stored: list[str]) -> list[str]:
        """All lines, of which the store knows ``stored``."""
        with self._lock:
            # Another instance may have added lines since, as long as nothing was dropped.
            if self._dropped or len(self._logs) >= len(stored):
                return list(self._logs)
            return [*stored, *self._logs[self._sent :]]

    def _halve(self) -> None:
        first = 1 if self._dropped else 0
        size, least = self._size, self._most_lines // 2
        last = len(self._logs) - 1
        count = first
        while count < last and (len(self._logs) - count > least or size > MOST_BYTES // 2):
            size -= _bytes(self._logs[count])
            count += 1
        self._dropped += count - first
        # In one step: readers look at the list without the lock.
        self._logs[:count] = [dropped_mark(self._dropped)]
        self._size = sum(map(_bytes, self._logs))
        self._anew, self._sent = True, 0


def _bytes(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode())
