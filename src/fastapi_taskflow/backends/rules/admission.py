"""Insert: which groups of tasks are accepted, and what is written for them.

A `Desk` knows what the store has (`Facts`) and judges one group of tasks after the other.
What it accepts becomes a fact for the next ones and goes to its `Draft`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import (
    Admission,
    Inserted,
    KeyConflict,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.backends.rules.facts import Facts, Holder, Known, Original
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["Desk", "Draft", "Entry", "is_plain", "with_live_owner"]

# What later groups see of a task that an earlier one brought: it cannot be retried yet.
_FRESH = Original("", TaskStatus.PENDING, None, None, None, "", "")
_BORN_FREE, _BORN_HELD = Known(TaskStatus.PENDING, 0), Known(TaskStatus.PENDING, 1)


class Entry(NamedTuple):
    """A task as it is written: PENDING, or the REJECTED record of one that did not fit.

    Its owner holds it from birth. What it got from the task that it retries is in it.
    """

    task: NewTask
    status: TaskStatus = TaskStatus.PENDING


def is_plain(group: Sequence[NewTask], limits: Container[str]) -> bool:
    """Nothing can speak against the group but that one of its ids is known."""
    for task in group:
        if task.idempotency_key is not None or task.retry_of is not None or task.queue in limits:
            return False
    return True


def with_live_owner(task: NewTask, alive: Container[str]) -> NewTask:
    """Nobody would recover a durable task of an owner that is not alive: it is free."""
    if task.owner is None or not task.persist or task.owner in alive:
        return task
    return task._replace(owner=None)


class Draft:
    """What is to be written for the groups that were judged.

    Attributes:
        entries: In order of arrival. A PENDING one takes its key, whoever held it.
        aliases: Canonical ids by alias; kept only of tasks that are still stored.
        linked: Tasks that were retried, and as what.
        replaced: Tasks to delete, because their retry takes their place.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.aliases: dict[str, str] = {}
        self.linked: list[tuple[Original, str]] = []
        self.replaced: list[Original] = []

    def add(self, other: Draft) -> None:
        """Everything of an accepted group."""
        self.entries += other.entries
        self.aliases |= other.aliases
        self.linked += other.linked
        self.replaced += other.replaced


class _Refused(Exception):
    """The way out of one group."""

    def __init__(self, answer: Admission) -> None:
        self.answer = answer


class Desk:
    """Judges groups in order.

    Args:
        facts: What the store has; changed by what is accepted.
        limits: ``max_size`` by queue.
    """

    def __init__(self, facts: Facts, limits: Mapping[str, int]) -> None:
        self._facts = facts
        self._limits = limits
        # How to take the facts of the group at hand back: mapping, key, what was there.
        self._undo: list[tuple[dict[str, Any], str, Any]] = []
        self.draft = Draft()
        self._draft = self.draft

    def accept(self, group: Sequence[NewTask]) -> Stored:
        """Take a group that is plain and of which no id is known."""
        alive, entries, inserted = self._facts.alive, self.draft.entries, []
        for task in group:
            owned = with_live_owner(task, alive)
            entries.append(Entry(owned))
            inserted.append(_inserted(owned))
        return Stored(tuple(inserted))

    def judge(self, group: Sequence[NewTask]) -> Admission:
        """Accept the group wholly, or not at all."""
        self._draft = Draft()
        self._undo.clear()
        try:
            answer = Stored(tuple([self._admit(task) for task in group]))
        except _Refused as refused:
            for mapping, key, old in reversed(self._undo):
                mapping[key] = old
            if isinstance(refused.answer, QueueIsFull):
                self._reject(group, refused.answer.task_id)
            return refused.answer
        self.draft.add(self._draft)
        return answer

    def _admit(self, task: NewTask) -> Inserted:
        facts = self._facts
        known = facts.known.get(task.task_id)
        if known is not None:
            if known.status is TaskStatus.REJECTED:
                raise _Refused(self._full(task))
            return Inserted(task.task_id, False, known.born)
        if (canonical := facts.aliases.get(task.task_id)) is not None:
            return Inserted(canonical, True, 0)
        original = self._original(task)
        task = _as_retry(with_live_owner(task, facts.alive), original)
        key = task.idempotency_key
        holder = None if key is None else facts.holders.get(key)
        if holder is not None and (original is None or holder.task_id != original.task_id):
            return self._duplicate(task, holder)
        if task.queue in self._limits:
            waiting = facts.waiting[task.queue]
            if waiting >= self._limits[task.queue]:
                raise _Refused(self._full(task))
            self._note(facts.waiting, task.queue, waiting + 1)
        return self._accept(task, original)

    def _original(self, task: NewTask) -> Original | None:
        if task.retry_of is None:
            return None
        canonical = self._facts.aliases.get(task.retry_of) or task.retry_of
        original = self._facts.originals.get(canonical)
        if original is None:
            raise _Refused(RetryRefused(task.retry_of))
        if original.retried_as is not None:
            raise _Refused(RetryRefused(task.retry_of, retried_as=original.retried_as))
        if original.status not in RETRYABLE:
            raise _Refused(RetryRefused(task.retry_of, status=original.status))
        return original

    def _duplicate(self, task: NewTask, holder: Holder) -> Inserted:
        if holder.fingerprint != task.fingerprint:
            raise _Refused(KeyConflict(task.idempotency_key or "", holder.task_id))
        if task.alias:
            self._note(self._facts.aliases, task.task_id, holder.task_id)
            self._draft.aliases[task.task_id] = holder.task_id
        return Inserted(holder.task_id, True, 0)

    def _accept(self, task: NewTask, original: Original | None) -> Inserted:
        self._draft.entries.append(Entry(task))
        answer = _inserted(task)
        born = _BORN_HELD if answer.fence else _BORN_FREE
        self._note(self._facts.known, task.task_id, born)
        self._note(self._facts.originals, task.task_id, _FRESH)
        if task.idempotency_key is not None:
            holder = Holder(task.task_id, task.fingerprint)
            self._note(self._facts.holders, task.idempotency_key, holder)
        if original is not None:
            self._retried(task, original)
        return answer

    def _retried(self, task: NewTask, original: Original) -> None:
        if task.replace_original:
            self._draft.replaced.append(original)
            self._note(self._facts.originals, original.task_id, None)
            self._note(self._facts.known, original.task_id, None)
        else:
            self._draft.linked.append((original, task.task_id))
            retried = original._replace(retried_as=task.task_id)
            self._note(self._facts.originals, original.task_id, retried)

    def _reject(self, group: Sequence[NewTask], task_id: str) -> None:
        """Keep a record of the task that did not fit, and nothing else of its group."""
        if self._facts.known.get(task_id) is not None:
            return
        task = next(one for one in group if one.task_id == task_id)
        task = _as_retry(task._replace(owner=None), self._original(task))
        self.draft.entries.append(Entry(task, TaskStatus.REJECTED))
        self._facts.known[task_id] = Known(TaskStatus.REJECTED, 0)
        self._facts.originals[task_id] = Original(
            task_id,
            TaskStatus.REJECTED,
            None,
            task.idempotency_key,
            task.fingerprint,
            task.queue,
            task.func_name,
        )

    def _full(self, task: NewTask) -> QueueIsFull:
        return QueueIsFull(task.queue, self._limits.get(task.queue, 0), task.task_id)

    def _note(self, mapping: dict[str, Any], key: str, value: object) -> None:
        self._undo.append((mapping, key, mapping.get(key)))
        mapping[key] = value


def _inserted(task: NewTask) -> Inserted:
    return Inserted(task.task_id, False, 0 if task.owner is None else 1)


def _as_retry(task: NewTask, original: Original | None) -> NewTask:
    """A retry has its original's key and fingerprint, whatever it was given."""
    if original is None:
        return task
    return task._replace(
        retry_of=original.task_id,
        idempotency_key=original.key,
        fingerprint=original.fingerprint,
    )
