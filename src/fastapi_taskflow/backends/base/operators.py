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
    idempotency keys, ``sums`` the rows of rollups that were added up or deleted, ``results``
    those whose time was over, ``batches`` those that were done.
    """

    task_ids: tuple[str, ...]
    keys: int
    sums: int = 0
    results: int = 0
    batches: int = 0

    def left_some(self, limit: int) -> bool:
        """Another call with this limit may find more."""
        return max(len(self.task_ids), *self[1:]) >= limit


class Operators(ABC):
    """Queue settings, the audit trail, retention."""

    @abstractmethod
    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Merge settings (``concurrency max_size paused``) into the stored ones; all of them."""

    @abstractmethod
    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep what operators did, chained by hashes in the order in which it is kept.

        All writers add to one chain. An entry that is among the newest already is not kept twice.
        """

    @abstractmethod
    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """Audit entries, newest first, and the cursor of the next page (None: no more).

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    async def audit_anchor(self) -> str:
        """The hash before the oldest entry that is kept; empty where none was dropped."""
        return ""

    @abstractmethod
    async def purgeable(self, before: datetime, *, cap: int = 10_000) -> int:
        """How many records `purge` would delete now, at most ``cap``; that bounds the cost."""

    @abstractmethod
    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        """Delete old records, the first that ended first, expired idempotency keys and results;
        sum up new rollups, and delete those older than their `Grain` says.

        With a record go its logs, attempts, tags and aliases. What stays: the counters of
        what ended, its key until that expires, the audit trail, and the links of its retry
        and of what it retried, which lead nowhere then. The cost does not grow with what
        is kept. Several instances may purge at the same time.

        Args:
            before: Terminal tasks that ended before this instant are deleted, equal ends by
                arrival, and batches that were done; None: none are.
            limit: At most so many records, as many keys, as many results, and about as
                many rows of rollups; from 1 up. It bounds how long other writers wait.
        """
