"""Batches as people see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.words.errors import TaskflowError

__all__ = ["Batch", "BatchNotFound", "BatchStatus"]


class BatchNotFound(TaskflowError, LookupError):
    """No batch has this id. HTTP 404."""


class Batch(NamedTuple):
    """A batch or chain that was stored, with the ids of its tasks in order."""

    id: str
    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """How far a batch has come.

    Attributes:
        chain: Its tasks run one after the other.
        total: Tasks; of these ``success``, ``failed`` (interrupted ones too) and ``cancelled``
            have ended so, ``running`` run, and ``pending`` are to come. A task that was retried
            counts as its retry does.
        done: All have ended. A retry makes it False again.
        ended_at: When the last ended.
    """

    id: str
    chain: bool
    total: int
    pending: int
    running: int
    success: int
    failed: int
    cancelled: int
    done: bool
    created_at: datetime
    ended_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON-serialisable values; times are ISO 8601 with an offset."""
        return {
            "id": self.id,
            "chain": self.chain,
            "total": self.total,
            "pending": self.pending,
            "running": self.running,
            "success": self.success,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "done": self.done,
            "created_at": self.created_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "tags": dict(self.tags),
        }
