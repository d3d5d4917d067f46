"""Who waits for the end of a task in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Ends"]


class Ends:
    """On the event loop. Costs nothing where nobody waits."""

    def __init__(self) -> None:
        # Invariant: no task has an empty list.
        self._awaited: dict[str, list[asyncio.Event]] = {}

    def __bool__(self) -> bool:
        """Somebody waits for something."""
        return bool(self._awaited)

    def tell(self, task_id: str) -> None:
        """A task has ended."""
        for event in self._awaited.get(task_id, ()):
            event.set()

    @contextmanager
    def awaited(self, task_id: str) -> Iterator[asyncio.Event]:
        """Is set when the task ends here; it may end elsewhere, or have ended before."""
        event = asyncio.Event()
        waiting = self._awaited.setdefault(task_id, [])
        waiting.append(event)
        try:
            yield event
        finally:
            waiting.remove(event)
            if not waiting:
                del self._awaited[task_id]
