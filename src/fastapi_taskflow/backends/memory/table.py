"""The rows, and everything that is counted or indexed of them.

All changes of status, owner and due time go through `Table`, which keeps its indexes true.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from fastapi_taskflow.backends.base import NewTask, Result
from fastapi_taskflow.backends.buckets import Level
from fastapi_taskflow.backends.memory.agenda import Agenda
from fastapi_taskflow.backends.memory.batchbook import BatchBook
from fastapi_taskflow.backends.memory.failures import FailureBook
from fastapi_taskflow.backends.memory.keys import KeyRing
from fastapi_taskflow.backends.memory.rows import Row, record_of
from fastapi_taskflow.backends.memory.tallies import Tallies
from fastapi_taskflow.backends.memory.turns import Turns
from fastapi_taskflow.backends.rules.batching import why_stopped
from fastapi_taskflow.backends.rules.turns import turn_due
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Table"]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING

# Arguments of ended tasks only serve to show and to retry them, and somebody has had time to
# fetch their results.
_MOST_PAYLOAD_BYTES = 64 * 1024 * 1024
# Smaller ones are bounded by the number of rows.
_LARGE_PAYLOAD_BYTES = 1024
_FEW_LEVELS = 1_000


class Table:
    """Rows by id in order of arrival: all live ones and the newest ``keep`` ended ones."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._arrivals = 0
        # Invariant: in order of arrival, so the newest are at the end.
        self.rows: dict[str, Row] = {}
        self.aliases: dict[str, str] = {}
        self.agenda = Agenda()
        self.keys = KeyRing()
        self.tallies = Tallies()
        self.turns = Turns()
        self.failures = FailureBook()
        # Invariant: a row is in held[x] iff its owner is x; only live rows have owners.
        self.held: dict[str, dict[str, Row]] = {}
        # Invariant: PENDING rows without a start_time, counted by queue.
        self.waiting: dict[str, int] = {}
        # Invariant: claims[x] has, by arrival, the unstarted rows whose claim_id is x.
        self.claims: dict[str, dict[int, Row]] = {}
        # Of the rates of queues, functions and order keys.
        self.levels: dict[str, Level] = {}
        self._most_levels = _FEW_LEVELS
        self.batches = BatchBook(keep)
        self._ended: OrderedDict[str, Row] = OrderedDict()
        # Invariant: rows with a result that has an end, by id.
        self._expiring: dict[str, Row] = {}
        # Invariant: the large payloads of ended rows by size, the first ended first, and their sum.
        self._large: OrderedDict[str, int] = OrderedDict()
        self._large_bytes = 0

    def spend(self, levels: Mapping[str, Level], now: int) -> None:
        """Tokens were taken. What is full again is forgotten now and then."""
        self.levels.update(levels)
        if len(self.levels) > self._most_levels:
            self.levels = {name: one for name, one in self.levels.items() if one.clear_at > now}
            self._most_levels = max(_FEW_LEVELS, 2 * len(self.levels))

    def find(self, task_id: str) -> Row | None:
        """The row of a task or of the task that an alias stands for."""
        row = self.rows.get(task_id)
        if row is None and task_id in self.aliases:
            return self.rows.get(self.aliases[task_id])
        return row

    # Coming and going

    def add(self, row: Row) -> Row:
        """A new row that nobody holds, PENDING; `free`, `assign` or `end` it next."""
        self._arrivals += 1
        row.seq = self._arrivals
        row.family = self.tallies.family(row.record.queue, row.record.func_name)
        self.rows[row.task_id] = row
        row.family.enter(_PENDING)
        return row

    def add_new(self, task: NewTask) -> Row:
        """As `add`, with a record of the store's own."""
        record = record_of(task)
        row = Row(record, task.payload, persist=task.persist, requeue=task.requeue)
        row.fingerprint = task.fingerprint
        row.born_claimed = task.owner is not None
        row.member = task.member
        if task.member is not None:
            self.batches.join(row, task.member)
        return self.add(row)

    def wait(self, row: Row) -> None:
        """The row counts towards its queue's size until it starts or ends."""
        row.waiting = True
        queue = row.family.queue
        self.waiting[queue] = self.waiting.get(queue, 0) + 1

    def alias(self, alias: str, row: Row | None, canonical: str) -> None:
        """Keep another id for a task; it goes when the task's row goes."""
        if row is None:
            return
        self.aliases[alias] = canonical
        if row.aliases is None:
            row.aliases = []
        row.aliases.append(alias)

    def delete(self, row: Row) -> None:
        """An ended row goes, with its aliases and history. Its key stays held."""
        if row.member is not None:
            self.batches.leave(row, row.member)
        del self.rows[row.task_id]
        self._ended.pop(row.task_id, None)
        self._expiring.pop(row.task_id, None)
        self._large_bytes -= self._large.pop(row.task_id, 0)
        row.family.leave(row.status)
        for alias in row.aliases or ():
            del self.aliases[alias]

    def give(self, row: Row, result: Result | None, now: datetime) -> None:
        """Keep what a row's function returned; before it ends."""
        row.give(result, now)
        if row.result_until is not None:
            self._expiring[row.task_id] = row

    def expire_results(self, now: datetime, limit: int) -> int:
        """Delete some of those whose time is over. Looks at all that will expire."""
        due = (
            task_id
            for task_id, row in self._expiring.items()
            if row.result_until is not None and row.result_until <= now
        )
        gone = list(islice(due, limit))
        for task_id in gone:
            self._expiring.pop(task_id).expire_result()
        return len(gone)

    def oldest_ended(self, before: datetime, limit: int) -> list[Row]:
        """Ended rows to purge. Looks at all that are kept, which are bounded."""
        ends = (
            (ended_at, row.seq, row)
            for row in self._ended.values()
            if (ended_at := row.ended_at) is not None and ended_at < before
        )
        return [row for *_, row in heapq.nsmallest(limit, ends)]

    def fail(self, row: Row, failure: Failure | None, now: datetime) -> None:
        """Note how a row's attempt failed; None: it did not."""
        row.record.failure = None if failure is None else failure.group
        if failure is not None:
            self.failures.note(row.family.func_name, failure, row.task_id, now)

    # Between states

    def free(self, row: Row, due: datetime, now: datetime) -> None:
        """PENDING, held by nobody; to be claimed from ``due`` on if durable."""
        self._disown(row)
        self.become(row, _PENDING)
        row.record.due_at = due
        if row.persist and not row.behind:
            self.agenda.add(row, due, now)

    def assign(self, row: Row, owner: str) -> None:
        """Give a row to an instance."""
        if row.owner == owner:
            return
        self._disown(row)
        row.owner = owner
        row.family.leased += row.persist
        rows = self.held.get(owner)
        if rows is None:
            rows = self.held[owner] = {}
        rows[row.task_id] = row

    def become(self, row: Row, status: TaskStatus) -> None:
        """Change between the two live states."""
        if row.status is status:
            return
        row.family.leave(row.status)
        row.family.enter(status)
        row.status = row.record.status = status
        if status is _RUNNING and row.waiting:
            self.stop_waiting(row)

    def end(self, row: Row, status: TaskStatus, now: datetime) -> None:
        """Terminal. The caller has set ``start_time``, ``elapsed`` and errors before."""
        if row.owner is not None:
            self._disown(row)
        elif row.ticket and row.persist:
            self.agenda.discard(row)
        if row.waiting:
            self.stop_waiting(row)
        if row.record.order_key is not None:
            self.turns.leave(row)
        self.tallies.turn(now)
        row.family.leave(row.status)
        elapsed = row.record.elapsed
        row.family.end(status, elapsed if type(elapsed) is float else None)
        self.tallies.wait(row.family, status, row.record)
        row.status = row.record.status = status
        if row.hold is not None:
            started = row.record.start_time is not None
            row.hold = self.keys.end(row.hold, status, now, started=started)
        self._ended[row.task_id] = row
        if row.member is not None:
            self._follow(row, status, now)
        size = row.size
        if size > _LARGE_PAYLOAD_BYTES:
            self._bound(row.task_id, size)
        if len(self._ended) > self._keep:
            self.delete(next(iter(self._ended.values())))

    def pass_on(self, now: datetime) -> None:
        """Who is next of order keys is to be claimed; after a verb that may have ended tasks."""
        for row in self.turns.pass_on():
            self.free(row, turn_due(row.record.due_at, now), now)

    def _follow(self, row: Row, status: TaskStatus, now: datetime) -> None:
        """What the end of a batch's task means for the others."""
        if row.member is None or row.member.place is None:
            return
        following, goes_on = self.batches.ended(row, row.member, status, now)
        for one in following:
            if goes_on:
                if not one.behind:
                    self.agenda.discard(one)
                self.free(one, now, now)
                row.result_until = None
                self._expiring.pop(row.task_id, None)
            else:
                one.record.error = why_stopped(row.task_id, status, row.record.result_missing)
                one.record.end_time = now
                self.end(one, TaskStatus.CANCELLED, now)
        self.tell_batch(row.member.batch_id, now)

    def tell_batch(self, batch_id: str, now: datetime) -> None:
        """Add the callbacks that are due."""
        for task in self.batches.take_due(batch_id):
            row = self.add_new(task)
            self.wait(row)
            self.free(row, now, now)

    def _bound(self, task_id: str, size: int) -> None:
        """Forget what the longest ended tasks hold, if that of all is too many bytes."""
        self._large[task_id] = size
        self._large_bytes += size
        while self._large_bytes > _MOST_PAYLOAD_BYTES:
            oldest, its_size = self._large.popitem(last=False)
            self._large_bytes -= its_size
            self.rows[oldest].forget()

    def stop_waiting(self, row: Row) -> None:
        """The row does not count towards its queue's size any more."""
        row.waiting = False
        self.waiting[row.family.queue] -= 1

    def _disown(self, row: Row) -> None:
        owner = row.owner
        if owner is None:
            return
        row.owner = None
        row.family.leased -= row.persist
        rows = self.held[owner]
        del rows[row.task_id]
        if not rows:
            del self.held[owner]
        if row.claim_id is not None:
            self.unclaim(row)

    def unclaim(self, row: Row) -> None:
        """Its claim id answers a repeated claim with this row no more."""
        if row.claim_id is None:
            return
        rows = self.claims[row.claim_id]
        del rows[row.seq]
        if not rows:
            del self.claims[row.claim_id]
        row.claim_id = None
