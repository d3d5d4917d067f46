"""What a verb writes, as data: a driver applies it in the transaction that loaded its facts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import Attempt, Callback, Member
from fastapi_taskflow.backends.rules.batchrows import BatchRow
from fastapi_taskflow.backends.rules.failing import Failed
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.rules.settlement import keeps_key
from fastapi_taskflow.backends.rules.sums import wait_of
from fastapi_taskflow.words.durations import bin_of
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Cell", "Held", "Length", "Lines", "Plan", "Taken", "Wait"]

_MINUTE_SECONDS = 60

_cell_of = attrgetter("queue", "func_name", "status")


class Cell(NamedTuple):
    """Where a task is counted."""

    queue: str
    func_name: str
    status: TaskStatus


class Length(NamedTuple):
    """A task that ended, and how long it took."""

    cell: Cell
    bin: int


class Wait(NamedTuple):
    """A task that ended, the minute in which it had started, and how long it had been due then.

    ``minute`` is the second since the epoch in which it begins.
    """

    cell: Cell
    minute: int
    bin: int


class Taken(NamedTuple):
    """An idempotency key that a task takes, whoever held it. ``ttl`` in seconds."""

    task_id: str
    fingerprint: bytes | None
    ttl: float


class Held(NamedTuple):
    """A key of a task that has ended: of no concern where another task holds it meanwhile."""

    key: str
    task_id: str


class Lines(NamedTuple):
    """Log lines of a task, after those it has, or ``anew`` in their place."""

    task_id: str
    lines: tuple[str, ...]
    anew: bool


class Plan:
    """What is to be written, in this order: what goes, what comes, what changes.

    Attributes:
        now: The store's time of all of it.
        deleted: Tasks to delete with their lines, attempts, tags and aliases.
        inserted: New rows in order of arrival.
        changed: New values by column, by task.
        aliases: Canonical ids by alias.
        taken: Keys by their new holder.
        kept: Keys that are held for their time from now on.
        freed: Keys that are free from now on.
        attempts: To add to tasks' histories.
        lines: To add to tasks' logs, in order.
        vacated: Order keys whose turn passes to the first that is behind, if there is one:
            it is ``behind`` no more, and due as `turns.turn_due` says. Only after all changes.
        ends: Tasks of batches that ended now, in order.
        revived: Batches, one of whose tasks is to be retried, and how it had ended.
        batches: Batches that have changed, by id; see `batching`.
        told: Callbacks that are held no longer, with their task ids.
        failures: Attempts that failed: the task, its function, the failure.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.deleted: list[str] = []
        self.inserted: dict[str, Row] = {}
        self.changed: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.taken: dict[str, Taken] = {}
        self.kept: list[Held] = []
        self.freed: list[Held] = []
        self.attempts: list[tuple[str, Attempt]] = []
        self.lines: list[Lines] = []
        self.vacated: set[str] = set()
        self.ends: list[Row] = []
        self.revived: list[tuple[str, TaskStatus]] = []
        self.batches: dict[str, BatchRow] = {}
        self.told: list[tuple[str, Callback, str]] = []
        self.failures: list[tuple[str, str, Failure]] = []
        # Of changed tasks; those of new ones are told by their rows.
        self._moved: Counter[Cell] = Counter()
        self._waiting: Counter[str] = Counter()
        self._ended: list[Row] = []

    @property
    def rows(self) -> dict[Cell, int]:
        """Tasks that came to a cell, less those that left it."""
        found = Counter(map(_cell_of, self.inserted.values()))
        found.update(self._moved)
        return {Cell(*cell): number for cell, number in found.items() if number}

    @property
    def waiting(self) -> dict[str, int]:
        """By queue, tasks that came to count towards its ``max_size``, less those that do no
        more; for drivers that keep a count.
        """
        found = Counter(row.queue for row in self.inserted.values() if row.waiting)
        found.update(self._waiting)
        return {queue: number for queue, number in found.items() if number}

    @property
    def ended(self) -> Counter[Length]:
        """Tasks that ended now."""
        return Counter(map(_length, self._ends()))

    @property
    def seconds(self) -> dict[Length, float]:
        """What they took in all."""
        found: dict[Length, float] = {}
        for row in self._ends():
            length = _length(row)
            found[length] = found.get(length, 0.0) + (row.elapsed or 0.0)
        return found

    @property
    def waited(self) -> Counter[Wait]:
        """Those of them that had started, see `Rollup`."""
        return Counter(wait for row in self._ends() if (wait := _wait(row)) is not None)

    @property
    def failed(self) -> list[Failed]:
        """The same by group, in order of their names."""
        times = Counter(failure.group for *_, failure in self.failures)
        last = {one.group: (one, func, task_id) for task_id, func, one in self.failures}
        return [
            Failed(group, func, one.kind, times[group], task_id)
            for group, (one, func, task_id) in sorted(last.items())
        ]

    def fail(self, row: Row, failure: Failure | None) -> str | None:
        """Count a failed attempt in its group, which is the row's now; None: it did not fail."""
        if failure is None:
            return None
        self.failures.append((row.task_id, row.func_name, failure))
        return failure.group

    def _ends(self) -> list[Row]:
        return self._ended + [row for row in self.inserted.values() if row.status in TERMINAL]

    def insert(self, row: Row) -> None:
        """Store a new task, which may have ended already. It may change yet."""
        self.inserted[row.task_id] = row

    def change(self, row: Row, **values: Any) -> None:
        """Give columns of a task new values. Its counters follow its state."""
        is_new = row.task_id in self.inserted
        if not is_new:
            status = values.get("status", row.status)
            if status is not row.status:
                self._moved[_cell(row)] -= 1
                self._moved[Cell(row.queue, row.func_name, status)] += 1
            self._waiting[row.queue] -= row.waiting
        for name, value in values.items():
            setattr(row, name, value)
        if not is_new:
            self._waiting[row.queue] += row.waiting
            found = values | {"free": row.free, "waiting": row.waiting}
            self.changed.setdefault(row.task_id, {}).update(found)

    def end(
        self, row: Row, status: TaskStatus, *, at: datetime | None = None, **values: Any
    ) -> None:
        """Bring a live task to a final state, at the store's time unless its owner says when.

        Its key is held for its time, or free.
        """
        if row.behind:
            values["behind"] = False
        elif row.order_key is not None:
            self.vacated.add(row.order_key)
        self.change(
            row, status=status, owner=None, claim_id=None, end_time=at or self.now, **values
        )
        if row.task_id not in self.inserted:
            self._ended.append(row)
        if row.batch_place is not None:
            self.ends.append(row)
        key = row.idempotency_key
        keeps = None if key is None else keeps_key(key, status, started=row.start_time is not None)
        if key is not None and keeps is not None:
            (self.kept if keeps else self.freed).append(Held(key, row.task_id))

    def delete(self, task_id: str, cell: Cell) -> None:
        """Delete a task; that it ended stays counted."""
        self.changed.pop(task_id, None)
        row = self.inserted.pop(task_id, None)
        if row is None:
            self._moved[cell] -= 1
            self.deleted.append(task_id)
        else:
            self._ended.append(row)
        gone = [alias for alias, canonical in self.aliases.items() if canonical == task_id]
        for alias in gone:
            del self.aliases[alias]

    def revive(self, member: Member | None, status: TaskStatus) -> None:
        """A task is retried that had ended so."""
        if member is not None and member.place is not None:
            self.revived.append((member.batch_id, status))

    def link(self, task_id: str, retried_as: str) -> None:
        """Note what a task was retried as."""
        if (row := self.inserted.get(task_id)) is not None:
            row.retried_as = retried_as
        else:
            self.changed.setdefault(task_id, {})["retried_as"] = retried_as


def _cell(row: Row) -> Cell:
    return Cell(row.queue, row.func_name, row.status)


def _length(row: Row) -> Length:
    return Length(_cell(row), bin_of(row.elapsed))


def _wait(row: Row) -> Wait | None:
    seconds, start = wait_of(row.due_at, row.created_at, row.start_time), row.start_time
    if seconds is None or start is None:
        return None
    second = int(start.timestamp())
    return Wait(_cell(row), second - second % _MINUTE_SECONDS, bin_of(seconds))
