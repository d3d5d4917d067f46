"""Batches in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    Batches,
    HeldCall,
    NewBatch,
    Stored,
    StoredBatch,
)
from fastapi_taskflow.backends.memory.admission import Admissions
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.batchrows import batch_of, shown
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.words.clock import SteadyClock

__all__ = ["MemoryBatches"]


class MemoryBatches(Batches):
    """Batches beside the tasks of a table.

    Args:
        lock: Protects the table, and all below.
        alive: Ids of the instances that may own tasks.
        tell: Told of a change.
    """

    def __init__(
        self,
        table: Table,
        lock: threading.Lock,
        clock: SteadyClock,
        alive: Container[str],
        tell: Callable[[], None],
    ) -> None:
        self._table = table
        self._book = table.batches
        self._lock = lock
        self._clock = clock
        self._alive = alive
        self._tell = tell

    async def add(
        self,
        batches: Sequence[NewBatch],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        storable.check_batches(batches)
        with self._lock:
            answers = [self._add(one, limits or {}, key_ttl) for one in batches]
            self._tell()
        return answers

    def _add(self, new: NewBatch, limits: Mapping[str, int], key_ttl: float) -> Admission:
        known, now = new.batch_id in self._book.batches, self._clock.now()
        batch = batch_of(new)
        if not known:
            # What its own tasks displace counts already.
            self._book.put(batch)
        if not new.tasks:
            answer: Admission = Stored(())
        else:
            admissions = Admissions(self._table, self._alive, limits, key_ttl, self._clock)
            (answer,) = admissions.admit([new.tasks])
        if not isinstance(answer, Stored) and not known:
            self._book.drop(new.batch_id)
        if known or not isinstance(answer, Stored):
            return answer
        batch.cancelled += sum(
            one.task_id != task.task_id for one, task in zip(answer.tasks, new.tasks, strict=True)
        )
        batch.look(now)
        self._table.tell_batch(new.batch_id, now)
        return answer

    async def find(self, batch_ids: Sequence[str]) -> list[StoredBatch | None]:
        with self._lock:
            return [self._shown(one) if one in self._book.batches else None for one in batch_ids]

    async def page(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[StoredBatch], str | None]:
        before = None if cursor is None else parse_cursor(cursor)
        with self._lock:
            numbers = reversed(self._book.numbers.items())
            older = ((one, n) for one, n in numbers if before is None or n < before)
            found = list(islice(older, limit + 1))
            more = str(found[limit - 1][1]) if len(found) > limit else None
            return [self._shown(one) for one, _ in found[:limit]], more

    def _shown(self, batch_id: str) -> StoredBatch:
        return shown(self._book.batches[batch_id], self._book.running(batch_id))

    async def held(self, *, limit: int, after: str = "") -> list[HeldCall]:
        with self._lock:
            found = [
                HeldCall(one.batch_id, kind, task.task_id, task.payload)
                for one in self._book.batches.values()
                for kind, task in one.callbacks.items()
                if task.payload is not None and task.task_id > after
            ]
            return sorted(found, key=lambda one: one.task_id)[:limit]

    async def reseal(self, changes: Sequence[tuple[HeldCall, bytes]]) -> list[bool]:
        with self._lock:
            return [self._reseal(call, payload) for call, payload in changes]

    def _reseal(self, call: HeldCall, payload: bytes) -> bool:
        batch = self._book.batches.get(call.batch_id)
        task = None if batch is None else batch.callbacks.get(call.kind)
        if batch is None or task is None or task.payload != call.payload:
            return False
        batch.callbacks[call.kind] = task._replace(payload=payload)
        return True
