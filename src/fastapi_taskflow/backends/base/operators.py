"""What people do to a store, and its upkeep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from fastapi_taskflow.words.models import AuditEntry

__all__ = ["Content", "ContentField", "Contents", "Operators", "Purged", "Rewrite"]


class Purged(NamedTuple):
    """What one call of `Backend.purge` deleted.

    ``task_ids`` are records, in the order in which they ended; ``keys`` counts expired
    idempotency keys. Only if both are below the limit nothing was left for another call.
    """

    task_ids: tuple[str, ...]
    keys: int


class ContentField(Enum):
    """Where in a task a content is."""

    PAYLOAD = "payload"
    ERROR = "error"
    STACKTRACE = "stacktrace"
    LOGS = "logs"


class Content(NamedTuple):
    """One value that a task holds; never empty.

    ``number`` is 0 for the task's own, else it names one of its attempts or of its writes
    of log lines. Payloads are bytes, log lines a tuple, the others text.
    """

    task_id: str
    field: ContentField
    number: int
    value: bytes | str | tuple[str, ...]


class Contents(NamedTuple):
    """The contents of some tasks, and where those of the next begin (None: no more tasks)."""

    found: list[Content]
    cursor: str | None


class Rewrite(NamedTuple):
    """A content as it was read, and what to put in its place."""

    content: Content
    value: bytes | str | tuple[str, ...]


class Operators(ABC):
    """Queue settings, the audit trail, sealed contents, retention."""

    @abstractmethod
    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Merge settings (``concurrency max_size paused``) into the stored ones; all of them."""

    @abstractmethod
    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep what operators did."""

    @abstractmethod
    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """Audit entries, newest first, and the cursor of the next page (None: no more).

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        """Everything that up to ``limit`` tasks hold, in order of arrival, as it is stored.

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        """Replace contents. False where the value is not the one given any more, or is gone.

        Nothing else of the task changes, and nobody is told.
        """

    @abstractmethod
    async def fold(self, *, limit: int) -> int:
        """Tidy the rollups: sum up new ones, delete those older than their `Grain` says.

        What `rollups` answers for times that are kept does not change. Several instances
        may do it at the same time.

        Args:
            limit: About so many of the store's rows are touched; it bounds how long other
                writers wait.

        Returns:
            How many there were; only below ``limit`` nothing was left for another call.
        """

    @abstractmethod
    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        """Delete old records, the first that ended first, and expired idempotency keys.

        With a record go its logs, attempts, tags and aliases. What stays: the counters of
        what ended, its key until that expires, the audit trail, and the links of its retry
        and of what it retried, which lead nowhere then. The cost does not grow with what
        is kept. Several instances may purge at the same time.

        Args:
            before: Terminal tasks that ended before this instant are deleted, equal ends by
                arrival; None: only keys are.
            limit: At most so many records, and at most so many keys; from 1 up. It bounds
                how long other writers wait.
        """
