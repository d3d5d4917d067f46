"""Insert: a group of tasks is checked as a whole, and only then stored.

Checking writes nothing, so a refused group needs no undoing.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import MAXYEAR, datetime

from fastapi_taskflow.backends.base import (
    Admission,
    Inserted,
    KeyConflict,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.backends.memory.rows import Row, in_utc, later
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["Admissions"]

Refusal = KeyConflict | QueueIsFull | RetryRefused


class Admissions:
    """One call of insert.

    Args:
        alive: Ids of the instances that may own what they insert.
        clock: Gives the one instant of this call.
    """

    def __init__(
        self,
        table: Table,
        alive: Container[str],
        limits: Mapping[str, int],
        key_ttl: float,
        clock: SteadyClock,
    ) -> None:
        self._table = table
        self._alive = alive
        self._limits = limits
        self._key_ttl = key_ttl
        self._now = clock.now()
        self._lead = clock.lead

    def admit(self, group: Sequence[NewTask]) -> Admission:
        """Store a group, or the REJECTED record of its first task that does not fit."""
        if len(group) == 1 and self._is_plain(group[0]):
            return Stored((self._store(self._with_live_owner(group[0]), None),))
        draft = _Draft(self._table, self._limits, self._now)
        for task in group:
            refusal = draft.check(self._with_live_owner(task))
            if refusal is not None:
                if draft.rejected is not None:
                    row = self._table.add(draft.rejected)
                    row.end_time, row.due_at = self._now, self._due(draft.rejected)
                    self._table.end(row, TaskStatus.REJECTED, self._now)
                return refusal
        return Stored(tuple(self._carry_out(step) for step in draft.steps))

    def _is_plain(self, task: NewTask) -> bool:
        """Nothing can refuse it and nothing is known of it."""
        return (
            task.idempotency_key is None
            and task.retry_of is None
            and task.queue not in self._limits
            and task.task_id not in self._table.rows
            and task.task_id not in self._table.aliases
        )

    def _with_live_owner(self, task: NewTask) -> NewTask:
        """Nobody would recover a durable task of an owner that is not alive: it is free."""
        if task.owner is None or not task.persist or task.owner in self._alive:
            return task
        return task._replace(owner=None)

    def _carry_out(self, step: _Step) -> Inserted:
        if isinstance(step, Inserted):
            return step
        if isinstance(step, _Duplicate):
            canonical = step.canonical
            self._table.alias(step.alias, self._table.rows.get(canonical), canonical)
            return Inserted(canonical, duplicate=True, fence=0)
        return self._store(step.task, step.original)

    def _store(self, task: NewTask, original: Row | None) -> Inserted:
        table = self._table
        row = table.add(task._replace(tags=dict(task.tags)) if task.tags else task)
        table.wait(row)
        if original is not None:
            original.retried_as = task.task_id
            if task.replace_original:
                table.delete(original)
        if task.idempotency_key is not None:
            row.hold = table.keys.take(
                task.idempotency_key, task.fingerprint, task.task_id, self._key_ttl
            )
        due = self._due(task)
        if task.owner is None:
            table.free(row, due, self._now)
            return Inserted(task.task_id, duplicate=False, fence=0)
        row.due_at = due
        row.fence = 1
        table.assign(row, task.owner)
        return Inserted(task.task_id, duplicate=False, fence=1)

    def _due(self, task: NewTask) -> datetime:
        if task.due_at is not None:
            due = in_utc(task.due_at)
            return due + self._lead if due.year < MAXYEAR - 1000 else due
        return later(self._now, task.delay) if task.delay else self._now


class _Duplicate:
    """An alias to keep."""

    __slots__ = ("alias", "canonical")

    def __init__(self, alias: str, canonical: str) -> None:
        self.alias = alias
        self.canonical = canonical


class _Create:
    """A task to store, and what it retries."""

    __slots__ = ("original", "task")

    def __init__(self, task: NewTask, original: Row | None) -> None:
        self.task = task
        self.original = original


_Step = Inserted | _Duplicate | _Create


class _Draft:
    """A group as it would be stored: each task sees the earlier ones."""

    def __init__(self, table: Table, limits: Mapping[str, int], now: datetime) -> None:
        self._table = table
        self._limits = limits
        self._now = now
        self._answers: dict[str, Inserted] = {}
        self._keys: dict[str, tuple[bytes | None, str]] = {}
        self._places: dict[str, int] = {}
        self._retried: dict[str, str] = {}
        self.steps: list[_Step] = []
        # The task that does not fit, when the refusal says that its queue is full.
        self.rejected: NewTask | None = None

    def check(self, task: NewTask) -> Refusal | None:
        """Add a task; what refuses it, if something does."""
        known = self._known(task)
        if known is not None:
            if isinstance(known, Inserted):
                self.steps.append(known)
                return None
            return known
        original = None
        if task.retry_of is not None:
            original = self._table.find(task.retry_of)
            refusal = self._refused_retry(task.retry_of, original)
            if refusal is not None or original is None:
                return refusal
            task = task._replace(
                retry_of=original.task.task_id,
                idempotency_key=original.task.idempotency_key,
                fingerprint=original.task.fingerprint,
            )
        held = self._held(task, original)
        if held is not None:
            return self._duplicate(task, *held)
        full = self._full(task)
        if full is None:
            self._create(task, original)
        return full

    def _known(self, task: NewTask) -> Inserted | QueueIsFull | None:
        task_id = task.task_id
        row = self._table.rows.get(task_id)
        if row is None:
            canonical = self._table.aliases.get(task_id)
            if canonical is None:
                return self._answers.get(task_id)
            return Inserted(canonical, duplicate=True, fence=0)
        if row.status is TaskStatus.REJECTED:
            queue = row.task.queue
            return QueueIsFull(queue, self._limits.get(queue, 0), task_id)
        return Inserted(task_id, duplicate=False, fence=int(row.born_claimed))

    def _refused_retry(self, retry_of: str, original: Row | None) -> RetryRefused | None:
        if original is None:
            return RetryRefused(retry_of)
        retried_as = original.retried_as or self._retried.get(original.task.task_id)
        if retried_as is not None:
            return RetryRefused(retry_of, retried_as=retried_as)
        if original.status not in RETRYABLE:
            return RetryRefused(retry_of, status=original.status)
        return None

    def _held(self, task: NewTask, original: Row | None) -> tuple[bytes | None, str] | None:
        """Fingerprint and id of the task that holds this one's key against it."""
        key = task.idempotency_key
        if key is None:
            return None
        if key in self._keys:
            return self._keys[key]
        hold = self._table.keys.holder(key, self._now)
        if hold is None or (original is not None and hold is original.hold):
            return None
        return hold.fingerprint, hold.task_id

    def _duplicate(
        self, task: NewTask, fingerprint: bytes | None, holder: str
    ) -> KeyConflict | None:
        if fingerprint != task.fingerprint:
            return KeyConflict(task.idempotency_key or "", holder)
        answer = Inserted(holder, duplicate=True, fence=0)
        self.steps.append(_Duplicate(task.task_id, holder) if task.alias else answer)
        self._answers[task.task_id] = answer
        return None

    def _full(self, task: NewTask) -> QueueIsFull | None:
        queue = task.queue
        limit = self._limits.get(queue)
        if limit is None:
            return None
        places = self._places.get(queue, 0)
        if self._table.waiting.get(queue, 0) + places >= limit:
            self.rejected = task
            return QueueIsFull(queue, limit, task.task_id)
        self._places[queue] = places + 1
        return None

    def _create(self, task: NewTask, original: Row | None) -> None:
        self.steps.append(_Create(task, original))
        self._answers[task.task_id] = Inserted(
            task.task_id, duplicate=False, fence=int(task.owner is not None)
        )
        if original is not None:
            self._retried[original.task.task_id] = task.task_id
        if task.idempotency_key is not None:
            self._keys[task.idempotency_key] = task.fingerprint, task.task_id
