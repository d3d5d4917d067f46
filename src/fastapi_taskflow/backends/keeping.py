"""Tasks as this process wrote them last: whoever holds a lease need not read its task again.

Somebody else may have changed one since. So what is decided on one of these is written only if the
task is as it was; else it is read.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from fastapi_taskflow.backends.rules.rows import Row

__all__ = ["Keeper"]

T = TypeVar("T")


class Keeper(Generic[T]):
    """Of the tasks that somebody holds, those that were written last.

    Args:
        most: What is forgotten is read again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, T] = {}

    def keep(self, row: Row, kept: T) -> None:
        """The row was written, and is nobody else's any more; ``kept`` is what `take` gives."""
        if row.owner is None or row.damage is not None:
            return
        # What was given out of it may be changed elsewhere.
        row.tags = dict(row.tags)
        self._kept[row.task_id] = kept
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def take(self, task_id: str) -> T | None:
        """What is kept of a task, which then is not kept any more."""
        return self._kept.pop(task_id, None)
