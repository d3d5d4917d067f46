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
    Attempt,
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
    Page,
    Purged,
    Query,
    Residence,
    Rollup,
    RollupQuery,
    Settled,
    Signals,
    Snapshot,
    StoredTask,
    Tally,
)
from fastapi_taskflow.backends.memory.admission import Admissions
from fastapi_taskflow.backends.memory.audit import AuditTrail
from fastapi_taskflow.backends.memory.contents import MemoryRotation
from fastapi_taskflow.backends.memory.endings import cancel, finish, start
from fastapi_taskflow.backends.memory.fleet import Audience, Fleet
from fastapi_taskflow.backends.memory.logins import MemoryLogins
from fastapi_taskflow.backends.memory.mirroring import mirror
from fastapi_taskflow.backends.memory.residence import Residents
from fastapi_taskflow.backends.memory.search import count, search, shown
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.rules.moves import may_recover
from fastapi_taskflow.backends.rules.settlement import takes_lines
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, Clock, SteadyClock
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend):
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
            rows = table.agenda.take(request, self._paused(), self._clock.now())
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
            now = self._clock.now()
            answers = [finish(self._table, outcome, now) for outcome in outcomes]
            self._audience.tell()
        return answers

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        if not task_ids:
            return []
        with self._lock:
            now = self._clock.now()
            answers = [cancel(self._table, task_id, now) for task_id in task_ids]
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
            for lease, lines, anew in chunks:
                row = self._table.rows.get(lease.task_id)
                if row is not None and takes_lines(row, lease):
                    row.add_logs(lines, anew=anew)

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

    async def next_due(self, queues: Sequence[str]) -> float | None:
        with self._lock:
            now = self._clock.now()
            due = self._table.agenda.next_due(set(queues).difference(self._paused()), now)
        return None if due is None else (due - now).total_seconds()

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        with self._lock:
            # Callers count from their own clock, which may have been set back.
            now = self._clock.now()
            self._table.tallies.turn(now)
            gone = []
            if before is not None:
                gone = self._table.oldest_ended(before + self._clock.lead, limit)
            for row in gone:
                self._table.delete(row)
            keys = self._table.keys.purge(now, limit)
            return Purged(tuple(row.task_id for row in gone), keys)

    # Fleet

    async def enlist(self, info: InstanceInfo) -> None:
        with self._lock:
            self._fleet.enlist(info)

    async def beat(self, instance: str, lag: float) -> bool:
        with self._lock:
            return self._fleet.beat(instance, lag)

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

    # Operators

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            merged = self._settings.setdefault(queue, {})
            merged.update(settings)
            self._audience.tell()
            return dict(merged)

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self._lock:
            for entry in entries:
                self._audit.append(entry)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = None if cursor is None else parse_cursor(cursor)
        with self._lock:
            return self._audit.page(before, limit, cursor)

    def _paused(self) -> frozenset[str]:
        return frozenset(name for name, found in self._settings.items() if found.get("paused"))
