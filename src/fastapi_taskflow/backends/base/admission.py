"""Tasks going in, and whether they were stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.words.conflicts import Disposition, OnConflict
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "Admission",
    "Inserted",
    "KeyConflict",
    "Member",
    "NewTask",
    "QueueIsFull",
    "RetryRefused",
    "Stored",
]


class Member(NamedTuple):
    """A task's part in a batch: it is one of its tasks, or (``place`` None) a callback of it.

    ``place`` counts from 0. ``after`` is the task whose result is its argument. A ``parked``
    one is due never: it is a step of a chain, and made due by the success of the one before.
    """

    batch_id: str
    place: int | None = None
    after: str | None = None
    parked: bool = False


class NewTask(NamedTuple):
    """A task to store.

    ``due_at`` (absolute) wins over ``delay`` (seconds from the store's now); one of them
    always sets the record's ``due_at``. A task with an ``owner`` is born claimed by that
    instance: fence 1, still PENDING. Without one it is free to be claimed, fence 0; so is a
    durable task whose owner is not alive, because nobody would recover it.
    ``persist=False`` tasks always have an owner and are never given by `Backend.claim`.

    Of the live tasks with one ``order_key`` the first to arrive has the turn until it ends,
    through its retries too; the others are behind it, and no claim sees them. None of them is
    born claimed.
    """

    task_id: str
    func_name: str
    payload: bytes | None
    queue: str
    created_at: datetime
    priority: int | None = None
    delay: float = 0.0
    due_at: datetime | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    persist: bool = True
    # Re-run when its owner dies after the start.
    requeue: bool = False
    tags: Mapping[str, str] = {}
    source: str = "manual"
    executor: str | None = None
    # The idempotency key and fingerprint of a retry are its original's, whatever is given.
    retry_of: str | None = None
    # With retry_of: delete the original in the same transaction.
    replace_original: bool = False
    # If an equal task holds the key: keep this id as an alias of it, because somebody
    # was told this id already.
    alias: bool = False
    owner: str | None = None
    # One line for people; of no more than `words.said.TITLE_CHARACTERS`.
    title: str | None = None
    # Durable tasks of one order key run one at a time, in order of arrival.
    order_key: str | None = None
    # What it does if there is a live one of its order key.
    on_conflict: OnConflict = "queue"
    # A retry takes its original's place in its batch.
    member: Member | None = None
    # Seconds from the last call to its start: it takes the place of those of its function and
    # order key that were never started, and has their ``created_at``; what it brings is not kept.
    debounce: float = 0.0
    # Seconds for which its key is held, see `Tasks.insert`; None: as that says.
    key_ttl: float | None = None

    def holds_key_for(self, otherwise: float) -> float:
        """Seconds for which its key is held; ``otherwise`` is what `Tasks.insert` was told."""
        return otherwise if self.key_ttl is None else self.key_ttl


class Inserted(NamedTuple):
    """How one task of an accepted group is stored.

    ``task_id`` is the canonical id: the existing task's when ``duplicate``. ``fence`` is
    1 for a task born claimed, else 0 (duplicates too). A repeated insert answers the same
    whatever became of the task since, but for ``displaced``.

    A task that was ``dropped`` because of its order key is a duplicate of the one that has the
    turn; because of a throttle (`words.pacing`), of the one that holds that key. ``displaced``:
    others of its order key were cancelled for it, or asked to end.
    """

    task_id: str
    duplicate: bool
    fence: int
    dropped: bool = False
    displaced: bool = False

    @property
    def disposition(self) -> Disposition:
        """What happened, in a word."""
        if self.dropped:
            return "dropped"
        if self.duplicate:
            return "existing"
        return "replaced" if self.displaced else "created"


class Stored(NamedTuple):
    """The group is committed, one `Inserted` per task in order."""

    tasks: tuple[Inserted, ...]


class KeyConflict(NamedTuple):
    """Nothing of the group is stored: a key is held by a task with another fingerprint."""

    key: str
    task_id: str


class QueueIsFull(NamedTuple):
    """Nothing of the group is stored but a REJECTED record of the first task that did not fit.

    The record keeps its payload and may be retried; it holds no key and its ``retry_of``
    is not linked back. Sending the group again answers the same and keeps no second record.
    """

    queue: str
    max_size: int
    task_id: str


class RetryRefused(NamedTuple):
    """Nothing of the group is stored: ``task_id`` (the ``retry_of``) cannot be retried.

    One is set: ``retried_as`` (it was retried before), ``status`` (its state is not in
    `states.RETRYABLE`) or ``holder`` (the task that has its idempotency key by now, whatever its
    fingerprint); none: no such task.
    """

    task_id: str
    retried_as: str | None = None
    status: TaskStatus | None = None
    holder: str | None = None


Admission = Stored | KeyConflict | QueueIsFull | RetryRefused
