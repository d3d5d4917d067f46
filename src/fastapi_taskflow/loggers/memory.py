"""Events in memory, for tests and for a look from a shell."""

from __future__ import annotations

from collections import deque

from fastapi_taskflow.loggers.base import LifecycleEvent, LogEvent, TaskObserver, is_at_least
from fastapi_taskflow.words import limits

__all__ = ["InMemoryLogger"]


class InMemoryLogger(TaskObserver):
    """Keeps the newest events of each kind.

    Args:
        min_level: Log events below it are not kept.
        max_events: How many of each kind are kept; older ones are forgotten.
    """

    def __init__(self, min_level: str = "debug", *, max_events: int = 10_000) -> None:
        super().__init__(min_level)
        max_events = limits.whole("max_events", max_events, least=1)
        self._logs: deque[LogEvent] = deque(maxlen=max_events)
        self._lifecycle: deque[LifecycleEvent] = deque(maxlen=max_events)

    @property
    def log_events(self) -> list[LogEvent]:
        """What tasks wrote, oldest first; a copy."""
        return list(self._logs)

    @property
    def lifecycle_events(self) -> list[LifecycleEvent]:
        """What became of tasks, oldest first; a copy."""
        return list(self._lifecycle)

    def clear(self) -> None:
        """Forget everything."""
        self._logs.clear()
        self._lifecycle.clear()

    async def on_log(self, event: LogEvent) -> None:
        if is_at_least(event.level, self.min_level):
            self._logs.append(event)

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        self._lifecycle.append(event)
