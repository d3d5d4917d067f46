"""What is shown of the tasks in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import (
    Attempt,
    FailureGroup,
    FailureQuery,
    Page,
    Query,
    Rollup,
    RollupQuery,
    StoredTask,
    Tally,
    Traffic,
)
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.memory.search import count, search, shown
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.memory.tallies import due_since
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["MemoryReads"]


class MemoryReads(Reads):
    """Reads of a table, behind its lock."""

    _clock: SteadyClock
    _lock: threading.Lock
    _table: Table
    _settings: dict[str, dict[str, Any]]

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        with self._lock:
            return [shown(self._table.find(task_id), task_id) for task_id in task_ids]

    async def attempts(self, task_id: str) -> list[Attempt]:
        with self._lock:
            row = self._table.find(task_id)
            return [] if row is None or row.attempts is None else list(row.attempts)

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        with self._lock:
            return search(self._table.rows, query, limit, cursor, most_bytes)

    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        with self._lock:
            return count(self._table.rows, query, cap)

    async def tally(self) -> list[Tally]:
        with self._lock:
            return self._table.tallies.read()

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        with self._lock:
            return self._table.tallies.rollups(query)

    async def failures(self, query: FailureQuery) -> list[FailureGroup]:
        with self._lock:
            return self._table.failures.read(query)

    async def traffic(
        self, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
    ) -> Traffic:
        with self._lock:
            table = self._table
            return Traffic(
                self._clock.now(),
                {key: [row.task_id for row in table.turns.of(key, most)] for key in order_keys},
                table.tallies.leased() if leased else {},
                {name: table.levels[name] for name in buckets if name in table.levels},
            )

    async def waiting_since(self, queues: Sequence[str]) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        with self._lock:
            now = self._clock.now()
            for row in self._table.rows.values():
                queue = row.family.queue
                if row.status is TaskStatus.PENDING and not row.behind and queue in queues:
                    since = due_since(row.record)
                    if since is not None and since <= found.get(queue, now):
                        found[queue] = since
        return found

    async def next_due(self, queues: Sequence[str]) -> float | None:
        with self._lock:
            now = self._clock.now()
            due = self._table.agenda.next_due(set(queues).difference(self.paused()), now)
        return None if due is None else (due - now).total_seconds()

    def paused(self) -> frozenset[str]:
        """The queues that are; behind the lock."""
        return frozenset(name for name, found in self._settings.items() if found.get("paused"))
