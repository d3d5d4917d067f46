"""Log lines of tasks: chunks in the order they came in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows

__all__ = ["APPEND", "chunk", "logs_of"]

APPEND = Rows("INSERT INTO @logs (task, lines) VALUES {rows}", 2, padded=False)

_READ = Rows("SELECT task, lines FROM @logs WHERE task IN ({rows}) ORDER BY task, id", 1)


def chunk(seq: int, lines: Iterable[str]) -> tuple[int, str]:
    """A row for `APPEND`."""
    return seq, json.dumps(list(lines))


def logs_of(session: Session, tasks: Sequence[int]) -> dict[int, list[str]]:
    """All lines by ``seq``, for tasks that have any."""
    logs: dict[int, list[str]] = {}
    for seq, lines in session.find(_READ, tasks):
        logs.setdefault(seq, []).extend(json.loads(lines))
    return logs
