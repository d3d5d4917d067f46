"""Who may be stored: the rules of admission, without I/O.

A `Desk` knows what the store has (`Facts`) and judges one group of tasks after the other.
What it accepts becomes a fact for the next ones and goes to its `Draft`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from fastapi_taskflow.backends.sqlite.rows import Entry
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["Desk", "Draft", "Facts", "Holder", "Known", "Original"]


class Known(NamedTuple):
    """A task that is stored already. ``born`` is its fence at birth."""

    status: TaskStatus
    born: int
    queue: str


class Holder(NamedTuple):
    """The task that holds an idempotency key now."""

    task_id: str
    fingerprint: bytes | None


class Original(NamedTuple):
    """A task that somebody wants to retry."""

    task_id: str
    status: TaskStatus
    retried_as: str | None
    key: str | None
    fingerprint: bytes | None
    queue: str
    func: str


class Facts(NamedTuple):
    """What the store has, as far as it can decide about some groups.

    None under a key means the same as no such key.

    Attributes:
        known: Stored tasks by id.
        aliases: Canonical ids by alias.
        originals: By canonical id.
        holders: By key, where it is not free.
        waiting: PENDING tasks that never started, by limited queue.
        alive: Instances that may own tasks.
    """

    known: dict[str, Known | None]
    aliases: dict[str, str | None]
    originals: dict[str, Original | None]
    holders: dict[str, Holder | None]
    waiting: dict[str, int]
    alive: frozenset[str]


class Draft:
    """What is to be written for the groups that were judged."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.keys: dict[str, Holder] = {}
        self.aliases: dict[str, str] = {}
        self.linked: list[tuple[Original, str]] = []
        self.replaced: list[Original] = []

    def add(self, other: Draft) -> None:
        """Everything of an accepted group."""
        self.entries += other.entries
        self.keys |= other.keys
        self.aliases |= other.aliases
        self.linked += other.linked
        self.replaced += other.replaced


class _Refused(Exception):
    """The way out of one group."""

    def __init__(self, answer: Admission) -> None:
        self.answer = answer


def _owner_of(task: NewTask, alive: frozenset[str]) -> str | None:
    """Who holds a new task: a durable one whose owner is not alive is free."""
    owner = task.owner
    return owner if owner is None or not task.persist or owner in alive else None


class Desk:
    """Judges groups in order.

    Args:
        facts: What the store has; changed by what is accepted.
        limits: ``max_size`` by queue.
    """

    def __init__(self, facts: Facts, limits: Mapping[str, int]) -> None:
        self._facts = facts
        self._limits = limits
        self._draft = Draft()
        # How to take the facts of the group at hand back: mapping, key, what was there.
        self._undo: list[tuple[dict[str, Any], str, Any]] = []
        self.draft = Draft()

    def accept(self, group: Sequence[NewTask]) -> Stored:
        """Take a group that nothing speaks against: no key, no limit, no retry."""
        alive, entries, inserted = self._facts.alive, self.draft.entries, []
        for task in group:
            owner = _owner_of(task, alive)
            entries.append(Entry(task, TaskStatus.PENDING, owner))
            inserted.append(Inserted(task.task_id, False, 0 if owner is None else 1))
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
        key, fingerprint = _key_of(task, original)
        holder = None if key is None else facts.holders.get(key)
        if holder is not None and (original is None or holder.task_id != original.task_id):
            return self._duplicate(task, key or "", fingerprint, holder)
        if task.queue in self._limits:
            waiting = facts.waiting[task.queue]
            if waiting >= self._limits[task.queue]:
                raise _Refused(self._full(task))
            self._note(facts.waiting, task.queue, waiting + 1)
        return self._accept(task, original, key, fingerprint)

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

    def _duplicate(
        self, task: NewTask, key: str, fingerprint: bytes | None, holder: Holder
    ) -> Inserted:
        if holder.fingerprint != fingerprint:
            raise _Refused(KeyConflict(key, holder.task_id))
        if task.alias:
            self._note(self._facts.aliases, task.task_id, holder.task_id)
            self._draft.aliases[task.task_id] = holder.task_id
        return Inserted(holder.task_id, True, 0)

    def _accept(
        self, task: NewTask, original: Original | None, key: str | None, fingerprint: bytes | None
    ) -> Inserted:
        facts, draft = self._facts, self._draft
        owner = _owner_of(task, facts.alive)
        born = 0 if owner is None else 1
        retry_of = None if original is None else original.task_id
        entry = Entry(task, TaskStatus.PENDING, owner, key, fingerprint, retry_of)
        draft.entries.append(entry)
        self._remember(entry, born)
        if key is not None:
            draft.keys[key] = Holder(task.task_id, fingerprint)
            self._note(facts.holders, key, draft.keys[key])
        if original is not None:
            self._retried(task, original)
        return Inserted(task.task_id, False, born)

    def _remember(self, entry: Entry, born: int) -> None:
        task = entry.task
        self._note(self._facts.known, task.task_id, Known(entry.status, born, task.queue))
        as_original = Original(
            task.task_id,
            entry.status,
            None,
            entry.key,
            entry.fingerprint,
            task.queue,
            task.func_name,
        )
        self._note(self._facts.originals, task.task_id, as_original)

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
        original = self._original(task)
        key, fingerprint = _key_of(task, original)
        retry_of = None if original is None else original.task_id
        entry = Entry(task, TaskStatus.REJECTED, None, key, fingerprint, retry_of)
        self.draft.entries.append(entry)
        self._remember(entry, 0)

    def _full(self, task: NewTask) -> QueueIsFull:
        return QueueIsFull(task.queue, self._limits.get(task.queue, 0), task.task_id)

    def _note(self, mapping: dict[str, Any], key: str, value: object) -> None:
        self._undo.append((mapping, key, mapping.get(key)))
        mapping[key] = value


def _key_of(task: NewTask, original: Original | None) -> tuple[str | None, bytes | None]:
    """A retry has its original's key and fingerprint, whatever it was given."""
    if original is not None:
        return original.key, None if original.key is None else original.fingerprint
    return task.idempotency_key, None if task.idempotency_key is None else task.fingerprint
