"""The part of the storage port that batches need: tasks that are one piece of work.

The rules of `backends.base` hold here too. A batch has a row of its own, with the counts of how
its tasks have ended; whatever ends one (`Backend.finish`, `Backend.cancel`, or a retry that takes
its place) changes that row in the same transaction, and adds there the callbacks that are due
then. So each is added once, whatever dies when.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from fastapi_taskflow.backends.base.admission import Admission, NewTask

__all__ = ["Batches", "Callback", "HeldCall", "NewBatch", "StoredBatch"]


class Callback(Enum):
    """When a callback of a batch is due.

    ``SUCCESS``: all its tasks have succeeded. ``FAILURE``: the first ended otherwise. ``DONE``:
    all have ended.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    DONE = "done"


class NewBatch(NamedTuple):
    """A batch to store, with its tasks and callbacks, which say so in their `Member`.

    In a ``chain`` each task is due when the one before has succeeded: all but the first are
    parked. One that ends otherwise cancels those behind it.
    """

    batch_id: str
    created_at: datetime
    tasks: tuple[NewTask, ...]
    callbacks: Mapping[Callback, NewTask] = {}
    chain: bool = False
    tags: Mapping[str, str] = {}


class StoredBatch(NamedTuple):
    """A batch as the store has it.

    ``success``, ``failed`` and ``cancelled`` count places by how the last task there ended;
    those that are left of ``total`` have not, and ``running`` of them have started. ``ended_at``
    is when none was left, until one is retried.
    """

    batch_id: str
    created_at: datetime
    chain: bool
    tags: Mapping[str, str]
    total: int
    success: int
    failed: int
    cancelled: int
    running: int
    ended_at: datetime | None


class HeldCall(NamedTuple):
    """The arguments of a callback that is not due yet, as they are stored."""

    batch_id: str
    kind: Callback
    task_id: str
    payload: bytes


class Batches(ABC):
    """Batches, shared by all instances on the store."""

    @abstractmethod
    async def add(
        self,
        batches: Sequence[NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        """Store batches, each with its tasks wholly or not at all; see `Backend.insert`.

        A task that its answer says was not created (another has its key) counts as cancelled.
        One without tasks is done at once. A batch that is known is not stored again.
        """

    @abstractmethod
    async def find(self, batch_ids: Sequence[str]) -> list[StoredBatch | None]:
        """Batches by id."""

    @abstractmethod
    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[StoredBatch], str | None]:
        """Batches, the newest first, and the cursor of the next page (None: no more).

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def held(self, *, limit: int, after: str = "") -> list[HeldCall]:
        """Arguments of callbacks that are not due yet, in order of their task ids, those behind
        one; for whoever seals them anew.
        """

    @abstractmethod
    async def reseal(self, changes: Sequence[tuple[HeldCall, bytes]]) -> list[bool]:
        """Replace arguments by others, where they are still as they were read."""
