"""Log lines of tasks: chunks in the order they came in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.loglines import packed, unpacked

__all__ = ["Lines", "logs_of", "read_lines"]

_APPEND = Rows("INSERT INTO @logs (task, lines) VALUES {rows}", 2, padded=False)

_FORGET = Rows("DELETE FROM @logs WHERE task IN ({rows})", 1)

# Stands where lines cannot be read.
_DAMAGED = "--- some lines are damaged in the store ---"

_READ = Rows("SELECT task, lines FROM @logs WHERE task IN ({rows}) ORDER BY task, id", 1)


class Lines:
    """Gathers the lines that one transaction adds."""

    def __init__(self) -> None:
        self._forgotten: list[tuple[int]] = []
        self._kept: list[tuple[int, str]] = []

    def add(self, seq: int, lines: Iterable[str], *, anew: bool) -> None:
        """Lines of the task ``seq``, after those that it has or in their place."""
        if anew:
            self._forgotten.append((seq,))
            self._kept = [row for row in self._kept if row[0] != seq]
        self._kept.append((seq, json.dumps(packed(lines))))

    def write(self, tx: Transaction) -> None:
        """To the store."""
        tx.write(_FORGET, self._forgotten)
        tx.write(_APPEND, self._kept)


def logs_of(session: Session, tasks: Sequence[int]) -> dict[int, list[str]]:
    """All lines by ``seq``, for tasks that have any."""
    logs: dict[int, list[str]] = {}
    for seq, lines in session.find(_READ, tasks):
        logs.setdefault(seq, []).extend(unpacked(read_lines(lines)))
    return logs


def read_lines(stored: Any) -> list[str]:
    """The lines of one write, packed; where they cannot be read, one that says so."""
    try:
        lines = json.loads(stored)
    except (TypeError, ValueError, RecursionError):
        return [_DAMAGED]
    if type(lines) is not list or not all(type(line) is str for line in lines):
        return [_DAMAGED]
    return lines
