"""The free tasks: which are ready, in claim order, and which fall due later.

Each queue has one heap of later tasks by due time, and heaps of ready ones by claim order,
one per function and suspicion (and rank, where the queue ages): so a claim looks only at the
heads of heaps that it may take from, whatever waits behind them or in other heaps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime, timedelta

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.rules.claiming import Room, aged, is_suspect, rank
from fastapi_taskflow.backends.rules.pausing import NO_PAUSES, Pauses

__all__ = ["Agenda"]

# (negated priority, due time, arrival, ticket, row): arrivals differ, so rows never compare.
Ready = tuple[int, datetime, int, int, Row]
Later = tuple[datetime, int, int, Row]
# Function, suspicion, and the rank of all in it if their queue has an ageing.
Lane = tuple[str, bool, int | None]
# (its rank now, due time, arrival), then where it is.
Head = tuple[tuple[float, datetime, int], str, Lane]

# Below this a heap's void entries are not worth a rebuild.
_FEW = 64


class _Queue:
    """One queue's heaps. An entry counts iff its ticket is its row's."""

    __slots__ = ("ages", "held", "later", "ready", "voided")

    def __init__(self) -> None:
        self.later: list[Later] = []
        self.ready: dict[Lane, list[Ready]] = {}
        self.ages = False
        # Ready ones that a pause of a key or a tag holds, by arrival, with their lanes.
        self.held: dict[int, tuple[Lane, Ready]] = {}
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
        place = rank(row.record.priority)
        lane = (row.family.func_name, is_suspect(row.interruptions), place if self.ages else None)
        entry = (place, due, row.seq, ticket, row)
        heap = self.ready.get(lane)
        if heap is None:
            self.ready[lane] = [entry]
        else:
            heapq.heappush(heap, entry)

    def part(self, *, ages: bool) -> None:
        """Have heaps per rank, or not; which it is changes with the settings of the queue."""
        if ages is not self.ages:
            self.let_go()
            self.ages, before, self.ready = ages, self.ready, {}
            for heap in before.values():
                for _, due, _, ticket, row in heap:
                    self.push(due, ticket, row)

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

    def let_go(self) -> None:
        """Other things are paused: what was held is looked at again."""
        for lane, entry in self.held.values():
            heapq.heappush(self.ready.setdefault(lane, []), entry)
        self.held.clear()

    def holds(self) -> bool:
        """A pause holds some."""
        return any(entry[4].ticket == entry[3] for _, entry in self.held.values())

    def head(self, lane: Lane) -> Ready | None:
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
        # For which tasks are held.
        self._pauses = NO_PAUSES

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
        queue = self._queues[row.family.queue]
        if queue.held.pop(row.seq, None) is None:
            queue.void()

    def take(
        self, request: ClaimRequest, room: Room, now: datetime, pauses: Pauses = NO_PAUSES
    ) -> list[Row]:
        """Remove and return what a claim gets, in order."""
        if pauses != self._pauses:
            self._pauses = pauses
            for each in self._queues.values():
                each.let_go()
        heads = self._heads(request, room.slots, now)
        taken: list[Row] = []
        while heads and not room.full():
            _, name, lane = heads[0]
            if not room.fits(name, lane[0], suspect=lane[1]):
                heapq.heappop(heads)
                continue
            queue = self._queues[name]
            entry = heapq.heappop(queue.ready[lane])
            row = entry[4]
            if pauses.pick and pauses.hold(lane[0], row.record.order_key, row.record.tags):
                queue.held[row.seq] = lane, entry
            elif wait := room.must_wait(lane[0], row.record.order_key):
                row.record.due_at = now + wait
                self.add(row, now + wait, now)
            else:
                row.ticket += 1
                taken.append(row)
                room.take(name, lane[0], suspect=lane[1])
            following = queue.head(lane)
            if following is None:
                heapq.heappop(heads)
            else:
                turn = _turn(following, now, request.ageing.get(name))
                heapq.heapreplace(heads, (turn, name, lane))
        return taken

    def _heads(self, request: ClaimRequest, names: Iterable[str], now: datetime) -> list[Head]:
        heads: list[Head] = []
        for name in names:
            queue = self._queues.get(name)
            if queue is None:
                continue
            step = request.ageing.get(name)
            queue.part(ages=step is not None)
            queue.ripen(now)
            heads.extend(
                (_turn(entry, now, step), name, lane)
                for lane in list(queue.ready)
                if lane[0] in request.functions and (entry := queue.head(lane)) is not None
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
            if queue.holds() or any(queue.head(lane) is not None for lane in list(queue.ready)):
                return now
            due = queue.earliest()
            if due is not None and (first is None or due < first):
                first = due
        return first


def _turn(entry: Ready, now: datetime, step: timedelta | None) -> tuple[float, datetime, int]:
    place, due, seq, _, _ = entry
    return aged(place, now - due, step), due, seq
