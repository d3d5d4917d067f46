"""`MemoryBackend`: the verbs of the port over tables in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    Backend,
    CancelAnswer,
    Claimed,
    ClaimRequest,
    Grade,
    InstanceInfo,
    Lease,
    LogChunk,
    MirrorAnswer,
    NewTask,
    Outcome,
    Purged,
    Residence,
    Settled,
    Signals,
    Snapshot,
)
from fastapi_taskflow.backends.memory.admission import Admissions
from fastapi_taskflow.backends.memory.audit import AuditTrail
from fastapi_taskflow.backends.memory.batches import MemoryBatches
from fastapi_taskflow.backends.memory.claiming import take
from fastapi_taskflow.backends.memory.contents import MemoryRotation
from fastapi_taskflow.backends.memory.endings import cancel_all, finish_all, hear, start
from fastapi_taskflow.backends.memory.fleet import Audience, Fleet
from fastapi_taskflow.backends.memory.logins import MemoryLogins
from fastapi_taskflow.backends.memory.mirroring import mirror
from fastapi_taskflow.backends.memory.purging import purge, purgeable
from fastapi_taskflow.backends.memory.reading import MemoryReads
from fastapi_taskflow.backends.memory.residence import Residents
from fastapi_taskflow.backends.memory.schedules import MemorySchedules
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.moves import may_recover
from fastapi_taskflow.backends.rules.pausing import is_kept
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, Clock, SteadyClock
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["MemoryBackend"]


class MemoryBackend(MemoryReads, Backend):
    """Tasks in memory, gone with the process.

    Several instances of one process may share one object, also from different event
    loops: each opens and closes it. What was stored stays after the last close.

    Args:
        clock: The store's clock.
        keep: Ended tasks that are kept, the newest; live ones are always.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, keep: int = 10_000) -> None:
        self._clock = SteadyClock(clock)
        self._sign_in = MemoryLogins(self._clock)
        # Held for one batch at most; makes a verb atomic across event loops and `beat`.
        self._lock = threading.Lock()
        self._table = Table(keep)
        self._rotation = MemoryRotation(self._table, self._lock)
        self._fleet = Fleet()
        self._audience = Audience()
        stored = self._table, self._lock, self._clock
        self._schedules = MemorySchedules(*stored, self._fleet, self._audience.tell)
        self._batches = MemoryBatches(*stored, self._fleet, self._audience.tell)
        self._settings: dict[str, dict[str, Any]] = {}
        self._audit = AuditTrail()

    @property
    def grade(self) -> Grade:
        return Grade.C

    @property
    def place(self) -> str:
        return "in memory"

    @property
    def sign_in(self) -> MemoryLogins:
        return self._sign_in

    @property
    def schedules(self) -> MemorySchedules:
        return self._schedules

    @property
    def batches(self) -> MemoryBatches:
        return self._batches

    @property
    def rotation(self) -> MemoryRotation:
        return self._rotation

    @property
    def residence(self) -> Residence:
        return Residents(self._table, self._lock, self._clock)

    async def open(self, on_change: Callable[[], None]) -> None:
        with self._lock:
            self._audience.join(on_change)

    async def close(self) -> None:
        with self._lock:
            self._audience.leave()

    # Tasks

    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        if not groups:
            return []
        storable.check_groups(groups)
        with self._lock:
            admissions = Admissions(self._table, self._fleet, limits or {}, key_ttl, self._clock)
            answers = admissions.admit(groups)
            self._audience.tell()
        return answers

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        with self._lock:
            table = self._table
            if request.instance not in self._fleet:
                return []
            again = table.claims.get(request.claim_id)
            if again is not None:
                return [row.claimed() for row in again.values()]
            rows = take(table, request, self.paused(), self._clock)
            if rows:
                table.claims[request.claim_id] = {row.seq: row for row in rows}
            for row in rows:
                row.fence += 1
                row.claim_id = request.claim_id
                table.assign(row, request.instance)
            return [row.claimed() for row in rows]

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        if not leases:
            return []
        with self._lock:
            now = self._clock.now()
            return [start(self._table, lease, now) for lease in leases]

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        if not outcomes:
            return []
        storable.check_outcomes(outcomes)
        with self._lock:
            answers = finish_all(self._table, outcomes, self._clock.now())
            self._audience.tell()
        return answers

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        if not task_ids:
            return []
        with self._lock:
            answers = cancel_all(self._table, task_ids, self._clock.now())
            self._audience.tell()
        return answers

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        if not snapshots:
            return []
        storable.check_snapshots(snapshots)
        with self._lock:
            now = self._clock.now()
            return [mirror(self._table, instance, snapshot, now) for snapshot in snapshots]

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        storable.check_chunks(chunks)
        with self._lock:
            for chunk in chunks:
                hear(self._table, chunk)

    async def purgeable(self, before: datetime, *, cap: int = 10_000) -> int:
        with self._lock:
            return purgeable(self._table, self._clock, before, cap)

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        with self._lock:
            return purge(self._table, self._clock, before, limit)

    # Fleet and operators

    async def enlist(self, info: InstanceInfo) -> None:
        with self._lock:
            self._fleet.enlist(info)

    async def beat(
        self, instance: str, lag: float, *, running: int = 0, draining: bool = False
    ) -> bool:
        with self._lock:
            return self._fleet.beat(instance, lag, running, draining=draining)

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        with self._lock:
            if not may_recover(by, dead, alive=by in self._fleet):
                return []
            self._fleet.declare_dead(dead)
            table = self._table
            rows = list(islice(table.held.get(dead, {}).values(), limit))
            for row in rows:
                row.fence += 1
                row.part()
                table.assign(row, by)
            if len(rows) < limit:
                self._fleet.drop(dead)
            return [row.claimed() for row in rows]

    async def owned(self, instance: str) -> list[Claimed]:
        with self._lock:
            return [row.claimed() for row in self._table.held.get(instance, {}).values()]

    async def retire(self, instance: str) -> None:
        with self._lock:
            self._fleet.declare_dead(instance)
            if instance not in self._table.held:
                self._fleet.drop(instance)

    async def signals(self, instance: str) -> Signals:
        with self._lock:
            held = self._table.held.get(instance, {})
            return Signals(
                cancel=tuple(task_id for task_id, row in held.items() if row.cancel_asked),
                queues={name: dict(found) for name, found in self._settings.items()},
                peers=self._fleet.peers(),
            )

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            merged = self._settings[queue] = {**self._settings.get(queue, {}), **settings}
            if not is_kept(queue, merged):
                del self._settings[queue]
            self._audience.tell()
            return dict(merged)

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self._lock:
            self._audit.extend(entries)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = None if cursor is None else parse_cursor(cursor)
        with self._lock:
            return self._audit.page(before, limit, cursor)

    async def audit_anchor(self) -> str:
        with self._lock:
            return self._audit.anchor
