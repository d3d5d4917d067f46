"""The free tasks: which are ready, in claim order, and which fall due later.

Each queue has one heap of later tasks by due time, and heaps of ready ones by claim order,
one per function and suspicion: so a claim looks only at the heads of heaps that it may
take from, whatever waits behind them or in other heaps.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from datetime import datetime

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.rules.claiming import Room, is_suspect, rank

__all__ = ["Agenda"]

# (negated priority, due time, arrival, ticket, row): arrivals differ, so rows never compare.
Ready = tuple[int, datetime, int, int, Row]
Later = tuple[datetime, int, int, Row]

# Below this a heap's void entries are not worth a rebuild.
_FEW = 64


class _Queue:
    """One queue's heaps. An entry counts iff its ticket is its row's."""

    __slots__ = ("later", "ready", "voided")

    def __init__(self) -> None:
        self.later: list[Later] = []
        self.ready: dict[tuple[str, bool], list[Ready]] = {}
        # Entries that were voided since the last rebuild; some may be gone already.
        self.voided = 0

    def ripen(self, now: datetime) -> None:
        """Move what is due by now to the ready heaps."""
        later = self.later
        while later and later[0][0] <= now:
            due, _, ticket, row = heapq.heappop(later)
            if row.ticket == ticket:
                self.push(due, ticket, row)

    def push(self, due: datetime, ticket: int, row: Row) -> None:
        lane = (row.family.func_name, is_suspect(row.interruptions))
        entry = (rank(row.record.priority), due, row.seq, ticket, row)
        heap = self.ready.get(lane)
        if heap is None:
            self.ready[lane] = [entry]
        else:
            heapq.heappush(heap, entry)

    def void(self) -> None:
        """One entry has become void. Void ones never outnumber the rest for long."""
        self.voided += 1
        if self.voided > _FEW and self.voided * 2 > len(self):
            self.voided = 0
            self.later = [entry for entry in self.later if entry[3].ticket == entry[2]]
            heapq.heapify(self.later)
            for lane, heap in list(self.ready.items()):
                heap[:] = [entry for entry in heap if entry[4].ticket == entry[3]]
                heapq.heapify(heap)
                if not heap:
                    del self.ready[lane]

    def head(self, lane: tuple[str, bool]) -> Ready | None:
        """The first entry of a ready heap that counts; an empty heap is dropped."""
        heap = self.ready[lane]
        while heap:
            entry = heap[0]
            if entry[4].ticket == entry[3]:
                return entry
            heapq.heappop(heap)
        del self.ready[lane]
        return None

    def earliest(self) -> datetime | None:
        """The due time of the first later entry that counts."""
        later = self.later
        while later and later[0][3].ticket != later[0][2]:
            heapq.heappop(later)
        return later[0][0] if later else None

    def __len__(self) -> int:
        return len(self.later) + sum(map(len, self.ready.values()))


class Agenda:
    """All free tasks by queue."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    def add(self, row: Row, due: datetime, now: datetime) -> None:
        """A task is free from now on, and to be claimed from ``due`` on."""
        name = row.family.queue
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue()
        row.ticket += 1
        if due <= now:
            queue.push(due, row.ticket, row)
        else:
            heapq.heappush(queue.later, (due, row.seq, row.ticket, row))

    def discard(self, row: Row) -> None:
        """A free task is free no more, without having been taken."""
        row.ticket += 1
        self._queues[row.family.queue].void()

    def take(self, request: ClaimRequest, paused: Collection[str], now: datetime) -> list[Row]:
        """Remove and return what a claim gets, in order."""
        room = Room(request, paused)
        heads = self._heads(room.slots, request.functions, now)
        taken: list[Row] = []
        while heads and not room.full():
            entry, name, lane = heads[0]
            if not room.fits(name, suspect=lane[1]):
                heapq.heappop(heads)
                continue
            queue = self._queues[name]
            heapq.heappop(queue.ready[lane])
            row = entry[4]
            row.ticket += 1
            taken.append(row)
            room.take(name, suspect=lane[1])
            following = queue.head(lane)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following, name, lane))
        return taken

    def _heads(
        self, names: Iterable[str], functions: Collection[str], now: datetime
    ) -> list[tuple[Ready, str, tuple[str, bool]]]:
        heads: list[tuple[Ready, str, tuple[str, bool]]] = []
        for name in names:
            queue = self._queues.get(name)
            if queue is None:
                continue
            queue.ripen(now)
            heads.extend(
                (entry, name, lane)
                for lane in list(queue.ready)
                if lane[0] in functions and (entry := queue.head(lane)) is not None
            )
        heapq.heapify(heads)
        return heads

    def next_due(self, names: Iterable[str], now: datetime) -> datetime | None:
        """When the first task of these queues is due; ``now`` if one is already."""
        first: datetime | None = None
        for name in names:
            queue = self._queues.get(name)
            if queue is None:
                continue
            queue.ripen(now)
            if any(queue.head(lane) is not None for lane in list(queue.ready)):
                return now
            due = queue.earliest()
            if due is not None and (first is None or due < first):
                first = due
        return first
