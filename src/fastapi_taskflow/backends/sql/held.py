"""What this process knows of tasks that it was given: their rows, as its own last write left them.

While a lease holds, nobody else changes more of its task than what `fused` looks at. So what
follows from a start or an end is decided without a look, and written if that is still as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi_taskflow.backends.rules.rows import Row

__all__ = ["Held"]

# Some 10 MB. What is forgotten is looked up again.
_MOST = 5_000


class Held:
    """Rows of committed leases, the newest ones, without what is large.

    Args:
        is_used: Else nothing is learned.
    """

    def __init__(self, *, is_used: bool) -> None:
        self._is_used = is_used
        self._rows: dict[str, Row] = {}

    def learn(self, rows: Iterable[Row]) -> None:
        """This was written, and is committed; the rows are nobody else's any more."""
        for row in rows:
            if self._is_used and row.owner is not None and row.damage is None:
                row.payload = row.emitted = row.result = None
                self._rows[row.task_id] = row
        while len(self._rows) > _MOST:
            del self._rows[next(iter(self._rows))]

    def take(self, task_ids: Iterable[str]) -> dict[str, Row]:
        """What is known of some tasks, which then is known no more."""
        found = {one: self._rows.pop(one, None) for one in task_ids}
        return {one: row for one, row in found.items() if row is not None}
