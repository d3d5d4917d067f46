"""A batch as a store keeps it, and what its counts mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import Callback, Member, NewBatch, NewTask, StoredBatch
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["BatchRow", "batch_of", "packed", "shown", "unpacked"]

_COUNTED = {TaskStatus.SUCCESS: "success", TaskStatus.CANCELLED: "cancelled"}


@dataclass(slots=True, kw_only=True)
class BatchRow:
    """A batch without its tasks.

    ``callbacks`` are those that are not due yet: with the transaction that adds one it goes.
    """

    batch_id: str
    created_at: datetime
    chain: bool
    total: int
    success: int = 0
    failed: int = 0
    cancelled: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    # Invariant: not None iff nothing is left.
    ended_at: datetime | None = None
    callbacks: dict[Callback, NewTask] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Tasks that have not ended."""
        return self.total - self.success - self.failed - self.cancelled

    def count(self, status: TaskStatus, by: int, now: datetime) -> None:
        """A task ended so (1), or is retried (-1)."""
        name = _COUNTED.get(status, "failed")
        setattr(self, name, max(0, getattr(self, name) + by))
        self.look(now)

    def look(self, now: datetime) -> None:
        """Note when it was done."""
        if self.left > 0:
            self.ended_at = None
        elif self.ended_at is None:
            self.ended_at = now

    def due(self) -> list[Callback]:
        """Callbacks that are to be added now."""
        found = [Callback.FAILURE] if self.failed or self.cancelled else []
        if self.left <= 0:
            found += [Callback.DONE] if found else [Callback.SUCCESS, Callback.DONE]
        return [kind for kind in found if kind in self.callbacks]


def batch_of(new: NewBatch) -> BatchRow:
    """A new batch."""
    return BatchRow(
        batch_id=new.batch_id,
        created_at=new.created_at,
        chain=new.chain,
        total=len(new.tasks),
        tags=dict(new.tags),
        callbacks=dict(new.callbacks),
    )


def shown(batch: BatchRow, running: int) -> StoredBatch:
    """What readers see of it."""
    return StoredBatch(
        batch.batch_id,
        batch.created_at,
        batch.chain,
        dict(batch.tags),
        batch.total,
        batch.success,
        batch.failed,
        batch.cancelled,
        # They are counted apart, and may have ended meanwhile.
        max(0, min(running, batch.left)),
        batch.ended_at,
    )


def packed(task: NewTask) -> str:
    """All of a callback but its arguments, as text."""
    found: dict[str, Any] = {
        "task_id": task.task_id,
        "func_name": task.func_name,
        "queue": task.queue,
        "created_at": task.created_at.isoformat(),
        "priority": task.priority,
        "requeue": task.requeue,
        "tags": dict(task.tags),
        "source": task.source,
        "executor": task.executor,
        "title": task.title,
    }
    return json.dumps(found)


def unpacked(batch_id: str, text: str, payload: bytes | None) -> NewTask:
    """The callback again.

    Raises:
        ValueError, KeyError, TypeError: somebody damaged it.
    """
    found = json.loads(text)
    found["created_at"] = datetime.fromisoformat(found["created_at"])
    return NewTask(payload=payload, member=Member(batch_id), **found)
