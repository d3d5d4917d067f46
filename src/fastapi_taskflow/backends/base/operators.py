"""What people do to a store, and its upkeep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.words.models import AuditEntry

__all__ = ["Operators", "Purged"]


class Purged(NamedTuple):
    """What one call of `Backend.purge` deleted.

    ``task_ids`` are records, in the order in which they ended; ``keys`` counts expired
    idempotency keys, ``sums`` the rows of rollups that were added up or deleted.
    """

    task_ids: tuple[str, ...]
    keys: int
    sums: int = 0

    def left_some(self, limit: int) -> bool:
        """Another call with this limit may find more."""
        return max(len(self.task_ids), self.keys, self.sums) >= limit


class Operators(ABC):
    """Queue settings, the audit trail, retention."""

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
    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        """Delete old records, the first that ended first, and expired idempotency keys;
        sum up new rollups, and delete those older than their `Grain` says.

        With a record go its logs, attempts, tags and aliases. What stays: the counters of
        what ended, its key until that expires, the audit trail, and the links of its retry
        and of what it retried, which lead nowhere then. The cost does not grow with what
        is kept. Several instances may purge at the same time.

        Args:
            before: Terminal tasks that ended before this instant are deleted, equal ends by
                arrival; None: none are.
            limit: At most so many records, as many keys, and about as many rows of rollups;
                from 1 up. It bounds how long other writers wait.
        """
