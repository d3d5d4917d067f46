"""The live rows of each order key, in order of arrival."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

from fastapi_taskflow.backends.memory.rows import Row

__all__ = ["Turns"]


class Turns:
    """Whose turn it is. Keys without live rows are not kept."""

    def __init__(self) -> None:
        # Invariant: only live rows; the first of each key is the one that is not behind.
        self._rows: dict[str, OrderedDict[int, Row]] = {}
        # Keys whose turn has not been passed on yet.
        self._vacated: set[str] = set()

    def join(self, row: Row) -> None:
        """A new row, which is behind those that are there."""
        key = row.record.order_key
        if key is None:
            return
        rows = self._rows.setdefault(key, OrderedDict())
        row.behind = bool(rows)
        rows[row.seq] = row

    def leave(self, row: Row) -> None:
        """A row ends."""
        key = row.record.order_key
        rows = self._rows.get(key or "")
        if key is None or rows is None:
            return
        rows.pop(row.seq, None)
        if not rows:
            del self._rows[key]
        elif not row.behind:
            self._vacated.add(key)
        row.behind = False

    def pass_on(self) -> list[Row]:
        """The rows that have got the turn, because those before them have ended."""
        if not self._vacated:
            return []
        heads = [next(iter(self._rows[key].values())) for key in self._vacated if key in self._rows]
        self._vacated.clear()
        found = [row for row in heads if row.behind]
        for row in found:
            row.behind = False
        return found

    def of(self, key: str, most: int | None = None) -> Sequence[Row]:
        """The first rows of a key; None: all."""
        return list(islice(self._rows.get(key, {}).values(), most))
