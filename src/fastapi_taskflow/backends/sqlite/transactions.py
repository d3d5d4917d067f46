"""What a verb needs inside a write transaction: statements, the time, counters.

A verb is a function of a `Transaction` and its arguments. It may be run a second time,
alone, after the batch it was in was rolled back; so it keeps its effects in the
transaction, and what happens outside (files) in ``after``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from fastapi_taskflow.backends.base import Lease
from fastapi_taskflow.backends.rules.plan import Plan
from fastapi_taskflow.backends.sqlite.counters import Counters
from fastapi_taskflow.backends.sqlite.leases import Held, Leases
from fastapi_taskflow.backends.sqlite.schema import VERSION
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows, Texts
from fastapi_taskflow.backends.sqlite.versions import too_new
from fastapi_taskflow.words.clock import SteadyClock, from_micros

__all__ = ["MustLook", "Transaction", "writing"]

# In one statement what nearly every insert asks for: the last arrival, who is alive, and
# whether this release may still write.
_STANDING = (
    "SELECT seq, NULL, NULL FROM sqlite_sequence WHERE name = '@tasks'"
    " UNION ALL SELECT NULL, id, NULL FROM @instances WHERE dead = 0"
    " UNION ALL SELECT NULL, NULL, max(version) FROM @schema"
)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some errors have rolled back already.
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


class MustLook(Exception):
    """What a verb took for granted does not hold.

    Not an error: it asks for the careful way.
    """


class Transaction(Session):
    """One open write transaction.

    Attributes:
        now: The store's time, the same for all that happens in it; ``present`` is the same
            as an instant.
        lead: By how much it is ahead of the clock by which callers name instants.
        leases: What is known before a look.
        careful: Verbs must look before they write, and never raise `MustLook`.
        after: Called once it is committed.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        texts: Texts,
        clock: SteadyClock,
        leases: Leases,
        *,
        careful: bool = False,
    ) -> None:
        super().__init__(connection, texts)
        self._alive: frozenset[str] | None = None
        self._last_seq: int | None = None
        self.now = clock.micros()
        self.present = from_micros(self.now)
        self.lead = clock.lead
        self.leases = leases
        self.careful = careful
        self.counters = Counters()
        self.after: list[Callable[[], None]] = []

    def write(self, rows: Rows, values: Sequence[Sequence[Any]], *common: Any) -> int:
        """Execute a family of statements for all rows of values; gives the rows changed.

        ``common`` are the parameters ``?1``, ``?2``... of each statement.
        """
        changed = 0
        for template, parameters in rows.batches(values):
            changed += self.run(template, [*common, *parameters]).rowcount
        return changed

    def plan(self) -> Plan:
        """An empty one, of this transaction's time."""
        return Plan(self.present)

    @property
    def alive(self) -> frozenset[str]:
        """Instances that have enlisted and are not dead."""
        if self._alive is None:
            self._read_standing()
        return self._alive or frozenset()

    def fleet_changed(self) -> None:
        """Rows of instances were written in this transaction."""
        self._alive = None

    def arrivals(self, count: int) -> range:
        """Numbers for tasks that are stored now, in the order of their arrival.

        Higher than any that was ever given; some stay unused if what stores them fails.
        """
        if self._last_seq is None:
            self._read_standing()
        last = self._last_seq or 0
        self._last_seq = last + count
        return range(last + 1, last + count + 1)

    def known(self, lease: Lease) -> Held | None:
        """What may be taken for granted of a task under lease."""
        return None if self.careful else self.leases.get(lease)

    def given_out(self, leases: Sequence[tuple[Lease, Held]]) -> None:
        """Leases are known as soon as they are committed."""
        if leases:
            self.after.append(lambda: self.leases.learn(leases))

    def waiting(self, queue: str) -> int:
        """PENDING tasks of the queue that were never started."""
        return self.counters.waiting(self, queue)

    def settle(self) -> None:
        """Write what was gathered; call it before the commit."""
        for template, parameters in self.counters.changes(self.now):
            self.run(template, parameters)

    def _read_standing(self) -> None:
        rows = self.all(_STANDING)
        for _, _, version in rows:
            if version is not None and version > VERSION:
                raise too_new(version)
        self._alive = frozenset(instance for _, instance, _ in rows if instance is not None)
        if self._last_seq is None:
            self._last_seq = next((seq for seq, _, _ in rows if seq is not None), 0)
            self.leases.check(self._last_seq)
