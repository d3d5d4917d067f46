"""Actions on all tasks that match: what is stored of each, so that whoever goes on knows where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple, Self

from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import CANCELLABLE, RETRYABLE

__all__ = [
    "MOST_REFUSALS",
    "POSSIBLE",
    "USUAL",
    "Bulk",
    "BulkKind",
    "BulkState",
    "Ends",
    "Refusal",
    "bulk_id_of",
    "bulk_key",
    "retry_id",
]

BulkKind = Literal["retry", "cancel"]
BulkStatus = Literal["running", "done", "cancelled"]

_BULK = "b:"

MOST_REFUSALS = 100
"""Of so many tasks it is kept why it was not done to them."""

POSSIBLE: Mapping[BulkKind, frozenset[TaskStatus]] = {"retry": RETRYABLE, "cancel": CANCELLABLE}
"""The states of tasks to which each may be done."""

USUAL: Mapping[BulkKind, frozenset[TaskStatus]] = {
    # Nobody asked for these ends, as for the other two.
    "retry": frozenset({TaskStatus.FAILED, TaskStatus.INTERRUPTED}),
    "cancel": CANCELLABLE,
}
"""Where nobody says which."""


def bulk_key(bulk_id: str) -> str:
    """Under which it is stored, beside schedules."""
    return _BULK + bulk_id


def bulk_id_of(key: str) -> str | None:
    """Its id; None for the key of something else."""
    return key[len(_BULK) :] if key.startswith(_BULK) else None


def retry_id(bulk_id: str, task_id: str) -> str:
    """The id of a task's retry: always the same, so that one that is sent again is known."""
    digits = sha256(f"{bulk_id}/{task_id}".encode()).hexdigest()
    variant = "89ab"[int(digits[3], 16) % 4]
    return f"{bulk_id[:14]}7{digits[:3]}-{variant}{digits[4:7]}-{digits[7:19]}"


class Refusal(NamedTuple):
    """A task to which it was not done, and why."""

    task_id: str
    reason: str


class Ends(NamedTuple):
    """What became of the tasks of a page: to how many it was done, and the others."""

    done: int = 0
    refusals: tuple[Refusal, ...] = ()


class Bulk(NamedTuple):
    """What is to be done, to which tasks.

    Attributes:
        filters: Those of a query, as plain values.
        before: Only to tasks that had ended by then, if it is a retry; None: whenever they ended.
    """

    kind: BulkKind
    filters: Mapping[str, Any]
    actor: str
    created_at: str
    before: str | None = None

    def text(self) -> str:
        """As it is stored."""
        values = self._asdict()
        # Releases of before read those that have none.
        return json.dumps({name: value for name, value in values.items() if value is not None})

    @classmethod
    def read(cls, text: str) -> Self:
        """What is stored.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        found = cls(**json.loads(text))
        if found.kind not in POSSIBLE:
            raise ValueError(found.kind)
        datetime.fromisoformat(found.created_at)
        if found.before is not None:
            datetime.fromisoformat(found.before)
        return found


class BulkState(NamedTuple):
    """How far it is.

    Attributes:
        cursor: Where the next page of tasks begins; None before the first, and after the last.
        begun: A page was read.
        doing: Tasks of the last page, to which it was done or is being done.
        found: Tasks that matched so far, those of ``doing`` too.
        done, refused: What became of them, without those of ``doing``.
        worker: The instance that is at it.
        refusals: The first `MOST_REFUSALS` of those that are counted as ``refused``.
    """

    status: BulkStatus = "running"
    cursor: str | None = None
    begun: bool = False
    doing: tuple[str, ...] = ()
    found: int = 0
    done: int = 0
    refused: int = 0
    worker: str = ""
    ended_at: str | None = None
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_exhausted(self) -> bool:
        """There are no more pages."""
        return self.begun and self.cursor is None

    def counted(self, ends: Ends) -> BulkState:
        """With what became of the last page."""
        return self._replace(
            done=self.done + ends.done,
            refused=self.refused + len(ends.refusals),
            refusals=(self.refusals + ends.refusals)[:MOST_REFUSALS],
            doing=(),
        )

    def over(self, status: BulkStatus, now: datetime) -> BulkState:
        """It ends now."""
        return self._replace(status=status, ended_at=now.isoformat())

    def text(self) -> str:
        """As it is stored."""
        values = self._asdict()
        if not self.refusals:
            # Instances of an older release read it as long as they can.
            del values["refusals"]
        return json.dumps(values)

    @classmethod
    def read(cls, text: str) -> Self:
        """As `Bulk.read`."""
        values = json.loads(text)
        refusals = tuple(Refusal(*one) for one in values.get("refusals", ()))
        return cls(**{**values, "doing": tuple(values["doing"]), "refusals": refusals})
