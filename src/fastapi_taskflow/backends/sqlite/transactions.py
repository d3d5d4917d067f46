"""What a verb needs inside a write transaction: statements, the time, counters.

A verb is a function of a `Transaction` and its arguments. It may be run a second time,
alone, after the batch it was in was rolled back; so it keeps its effects in the
transaction, and what happens outside (files) in ``after``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from fastapi_taskflow.backends.sqlite.counters import Counters
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows, Texts

__all__ = ["Transaction"]

_ALIVE = "SELECT id FROM @instances WHERE dead = 0"


class Transaction(Session):
    """One open write transaction.

    Attributes:
        now: The store's time, the same for all that happens in it.
        careful: Verbs must look before they write; see `admission`.
        after: Called once it is committed.
    """

    def __init__(
        self, connection: sqlite3.Connection, texts: Texts, now: int, *, careful: bool = False
    ) -> None:
        super().__init__(connection, texts)
        self._alive: frozenset[str] | None = None
        self.now = now
        self.careful = careful
        self.counters = Counters()
        self.after: list[Callable[[], None]] = []

    def write(self, rows: Rows, values: Sequence[Sequence[Any]]) -> None:
        """Execute a family of statements for all rows of values."""
        for template, parameters in rows.batches(values):
            self.run(template, parameters)

    @property
    def alive(self) -> frozenset[str]:
        """Instances that have enlisted and are not dead."""
        if self._alive is None:
            self._alive = frozenset(row[0] for row in self.run(_ALIVE))
        return self._alive

    def fleet_changed(self) -> None:
        """Rows of instances were written in this transaction."""
        self._alive = None

    def waiting(self, queue: str) -> int:
        """PENDING tasks of the queue that were never started."""
        return self.counters.waiting(self, queue)

    def settle(self) -> None:
        """Write what was gathered; call it before the commit."""
        for template, parameters in self.counters.changes(self.now):
            self.run(template, parameters)
