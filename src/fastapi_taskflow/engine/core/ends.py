"""Who waits for the end of a task in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi_taskflow.engine.core.supervisor import Wakeup

__all__ = ["Ends"]


class Ends:
    """On the event loop. Costs nothing where nobody waits."""

    def __init__(self) -> None:
        # Invariant: no task has an empty list.
        self._awaited: dict[str, list[Wakeup]] = {}

    def __bool__(self) -> bool:
        """Somebody waits for something."""
        return bool(self._awaited)

    def tell(self, task_id: str) -> None:
        """A task has ended."""
        for told in self._awaited.get(task_id, ()):
            told.set()

    @contextmanager
    def awaited(self, task_id: str) -> Iterator[Wakeup]:
        """Is set when the task ends here; it may end elsewhere, or have ended before."""
        told = Wakeup()
        waiting = self._awaited.setdefault(task_id, [])
        waiting.append(told)
        try:
            yield told
        finally:
            waiting.remove(told)
            if not waiting:
                del self._awaited[task_id]
