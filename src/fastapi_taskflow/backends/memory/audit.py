"""What operators did, the newest of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from itertools import islice

from fastapi_taskflow.backends.rules.auditing import RECENT, linked
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["AuditTrail"]

_KEPT = 10_000


class AuditTrail:
    """Numbered entries; what goes in and out are copies."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, AuditEntry]] = deque(maxlen=_KEPT)
        self._count = 0
        #: Hash of the last entry that went.
        self.anchor = ""

    def extend(self, entries: Iterable[AuditEntry]) -> None:
        """Keep entries; the oldest may go for them."""
        last = self._entries[-1][1].hash if self._entries else ""
        recent = [one.entry_id for _, one in islice(reversed(self._entries), RECENT)]
        for entry in linked(last, recent, entries):
            if len(self._entries) == _KEPT:
                self.anchor = self._entries[0][1].hash
            self._count += 1
            self._entries.append((self._count, _copied(entry)))

    def page(
        self, before: int | None, limit: int, cursor: str | None
    ) -> tuple[list[AuditEntry], str | None]:
        """Entries below a number, newest first, and where the next page begins."""
        found = [
            (number, entry)
            for number, entry in reversed(self._entries)
            if before is None or number < before
        ]
        page = found[:limit]
        more = len(found) > len(page)
        following = str(page[-1][0]) if page else cursor
        return [_copied(entry) for _, entry in page], following if more else None


def _copied(entry: AuditEntry) -> AuditEntry:
    return replace(entry, detail=deepcopy(entry.detail))
