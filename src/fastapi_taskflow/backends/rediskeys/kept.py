"""Tasks as this process wrote them last: whoever holds a lease need not read its task again.

Somebody else may have changed one since. So a verb that begins with what is kept has to commit,
even nothing: that fails if it is not so any more, and then it reads.
"""

from __future__ import annotations

from typing import NamedTuple

from fastapi_taskflow.backends.rediskeys.rows import Had
from fastapi_taskflow.backends.rules.rows import Row

__all__ = ["Keeper", "Kept"]

# Some more than one process runs at a time; a row is about three kilobytes, beside its payload.
_MOST = 2_000
_LARGEST_PAYLOAD_BYTES = 32_768


class Kept(NamedTuple):
    """A row, the version it was written with, and what else the server has of it."""

    row: Row
    version: bytes
    had: Had


class Keeper:
    """Of one store's objects, those that were written last."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def keep(self, one: Kept) -> None:
        """It was written so, and somebody holds it."""
        row = one.row
        # Who reads it again reads no payload.
        if row.damage is None and len(row.payload or b"") <= _LARGEST_PAYLOAD_BYTES:
            # What was given out of it may be changed elsewhere.
            row.tags = dict(row.tags)
            self._kept[row.task_id] = one
            if len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]

    def take(self, task_id: str) -> Kept | None:
        """The task, which is not kept any more."""
        return self._kept.pop(task_id, None)
