"""The batches of a table, and where their tasks stand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from fastapi_taskflow.backends.base import Member, NewTask
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.rules.batching import goes_on
from fastapi_taskflow.backends.rules.batchrows import BatchRow
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["BatchBook"]


class BatchBook:
    """Batches by id in order of arrival, and their rows by place.

    Args:
        keep: Batches that are kept, beside those that are not done.

    Attributes:
        rows: The latest task of each place, of all whose records are kept.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self.batches: dict[str, BatchRow] = {}
        self.numbers: dict[str, int] = {}
        self.rows: dict[str, dict[int, Row]] = {}
        self._last = 0

    def put(self, batch: BatchRow) -> None:
        """A new one; the oldest that is done goes if there are too many."""
        self._last += 1
        self.batches[batch.batch_id] = batch
        self.numbers[batch.batch_id] = self._last
        if len(self.batches) > self._keep:
            done = (one.batch_id for one in self.batches.values() if one.ended_at is not None)
            if (oldest := next(done, None)) is not None:
                self.drop(oldest)

    def drop(self, batch_id: str) -> None:
        """It is deleted; its tasks are not."""
        del self.batches[batch_id], self.numbers[batch_id]
        self.rows.pop(batch_id, None)

    def purge(self, before: datetime, limit: int) -> int:
        """Delete some that were done before; how many."""
        done = (
            one.batch_id
            for one in self.batches.values()
            if one.ended_at is not None and one.ended_at < before
        )
        gone = list(islice(done, limit))
        for batch_id in gone:
            self.drop(batch_id)
        return len(gone)

    def join(self, row: Row, member: Member) -> None:
        """A task takes its place."""
        if member.place is not None:
            self.rows.setdefault(member.batch_id, {})[member.place] = row

    def leave(self, row: Row, member: Member) -> None:
        """Its record is deleted."""
        places = self.rows.get(member.batch_id, {})
        if member.place is not None and places.get(member.place) is row:
            del places[member.place]
            if not places:
                del self.rows[member.batch_id]

    def running(self, batch_id: str) -> int:
        rows = self.rows.get(batch_id, {}).values()
        return sum(row.status is TaskStatus.RUNNING for row in rows)

    def revive(self, member: Member | None, status: TaskStatus, now: datetime) -> None:
        """A task is retried that had ended so."""
        batch = None if member is None else self.batches.get(member.batch_id)
        if batch is not None and member is not None and member.place is not None:
            batch.count(status, -1, now)

    def ended(
        self, row: Row, member: Member, status: TaskStatus, now: datetime
    ) -> tuple[Sequence[Row], bool]:
        """Steps behind it that are parked no longer, the last first; whether they are to run."""
        batch = self.batches.get(member.batch_id)
        if batch is None:
            return (), False
        batch.count(status, 1, now)
        places, place, found = self.rows.get(member.batch_id, {}), (member.place or 0) + 1, []
        while batch.chain and (one := places.get(place)) is not None and one.member is not None:
            if not one.parked or one.status is not TaskStatus.PENDING:
                break
            found.append(one)
            place += 1
            missing = row.record.result_missing
            if len(found) == 1 and goes_on(status, row.result, missing, one.member.after):
                one.member = one.member._replace(parked=False)
                return found, True
        for one in found:
            if one.member is not None:
                one.member = one.member._replace(parked=False)
        return found, False

    def take_due(self, batch_id: str) -> list[NewTask]:
        """Callbacks that are to be added now, and are held no longer."""
        batch = self.batches.get(batch_id)
        return [] if batch is None else [batch.callbacks.pop(kind) for kind in batch.due()]
