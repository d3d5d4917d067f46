"""Insert: which groups of tasks are accepted, and what is written for them.

A `Desk` knows what the store has (`Facts`) and judges one group of tasks after the other.
What it accepts becomes a fact for the next ones and goes to its `Draft`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import (
    Admission,
    Inserted,
    KeyConflict,
    Member,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.backends.rules.facts import Facts, Holder, Known, Mate, Original
from fastapi_taskflow.backends.rules.turns import ALONE, Place, place_of, put_off
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import is_throttle
from fastapi_taskflow.words.states import RETRYABLE

__all__ = ["Desk", "Draft", "Entry", "is_plain", "with_live_owner"]

# What later groups see of a task that an earlier one brought: it cannot be retried yet.
_PENDING = TaskStatus.PENDING
_FRESH = Original("", TaskStatus.PENDING, None, None, None, "", "")
_BORN_FREE, _BORN_HELD = Known(TaskStatus.PENDING, 0), Known(TaskStatus.PENDING, 1)


class Entry(NamedTuple):
    """A task as it is written: PENDING, or the REJECTED record of one that did not fit.

    Its owner holds it from birth. What it got from the task that it retries is in it; of its
    order key, where it stands.
    """

    task: NewTask
    status: TaskStatus = TaskStatus.PENDING
    place: Place = ALONE


def is_plain(group: Sequence[NewTask], limits: Container[str]) -> bool:
    """Nothing can speak against the group but that one of its ids is known."""
    for task in group:
        if task.idempotency_key is not None or task.retry_of is not None or task.queue in limits:
            return False
        if task.order_key is not None:
            return False
    return True


def with_live_owner(task: NewTask, alive: Container[str]) -> NewTask:
    """Nobody would recover a durable task of an owner that is not alive: it is free.

    So is one with an order key, which may not be the first of it.
    """
    if task.owner is None or not task.persist:
        return task
    if task.owner in alive and task.order_key is None:
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
        now: The store's time of all of it.
    """

    def __init__(self, facts: Facts, limits: Mapping[str, int], now: datetime) -> None:
        self._facts = facts
        self._now = now
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
        place = self._place(task, original)
        if place is None:
            return self._dropped(task)
        if task.debounce and original is None:
            task = put_off(task, place, self._now)
        if task.queue in self._limits:
            waiting = facts.waiting[task.queue]
            if waiting >= self._limits[task.queue]:
                raise _Refused(self._full(task))
            self._note(facts.waiting, task.queue, waiting + 1)
        return self._accept(task, original, place)

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
        if task.retry_of is not None:
            # Whoever wants a retry, wants no other task's id.
            raise _Refused(RetryRefused(task.retry_of, holder=holder.task_id))
        throttled = is_throttle(task.idempotency_key)
        if holder.fingerprint != task.fingerprint and not throttled:
            raise _Refused(KeyConflict(task.idempotency_key or "", holder.task_id))
        self._alias(task, holder.task_id)
        return Inserted(holder.task_id, True, 0, dropped=throttled)

    def _alias(self, task: NewTask, canonical: str) -> None:
        if task.alias:
            self._note(self._facts.aliases, task.task_id, canonical)
            self._draft.aliases[task.task_id] = canonical

    def _place(self, task: NewTask, original: Original | None) -> Place | None:
        """Where it stands among those of its order key; None: it is dropped."""
        key = task.order_key
        if key is None:
            return ALONE
        # Somebody wants the retry itself, whatever else there is.
        how = None if original is None else "queue"
        place = place_of(self._facts.mates.get(key) or (), task, how=how)
        if place is None:
            return None
        for mate in place.displaced:
            if mate.fresh:
                self._withdraw(mate)
        since = place.since(self._now) if task.debounce and how is None else task.created_at
        new = Mate(task.task_id, task.func_name, _PENDING, task.queue, True, False, since)
        self._note(self._facts.mates, key, (*place.before, new))
        return place

    def _withdraw(self, mate: Mate) -> None:
        """One that never started is cancelled: its place and its idempotency key are free."""
        waiting, holders = self._facts.waiting, self._facts.holders
        if mate.queue in waiting:
            self._note(waiting, mate.queue, waiting[mate.queue] - 1)
        for key, holder in list(holders.items()):
            if holder is not None and holder.task_id == mate.task_id:
                self._note(holders, key, None)

    def _dropped(self, task: NewTask) -> Inserted:
        first = (self._facts.mates.get(task.order_key or "") or ())[0]
        self._alias(task, first.task_id)
        return Inserted(first.task_id, True, 0, dropped=True)

    def _accept(self, task: NewTask, original: Original | None, place: Place) -> Inserted:
        self._draft.entries.append(Entry(task, place=place))
        displaced = bool(place.displaced or place.asked)
        answer = _inserted(task)._replace(displaced=displaced)
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
        # Its batch is not stored, or goes on without it.
        task = task._replace(member=None)
        self.draft.entries.append(Entry(task, TaskStatus.REJECTED))
        self._facts.known[task_id] = Known(TaskStatus.REJECTED, 0)
        status, key, mark = TaskStatus.REJECTED, task.idempotency_key, task.fingerprint
        self._facts.originals[task_id] = Original(
            task_id, status, None, key, mark, task.queue, task.func_name
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
    task = task._replace(
        retry_of=original.task_id,
        # Somebody wants the retry itself, whatever was throttled.
        idempotency_key=None if is_throttle(original.key) else original.key,
        fingerprint=original.fingerprint,
    )
    return task if original.member is None else _in_place(task, original.member)


def _in_place(task: NewTask, member: Member) -> NewTask:
    """In a batch; what it waits for may be retried beside it."""
    given = task.member or member
    return task._replace(member=member._replace(after=given.after, parked=given.parked))
