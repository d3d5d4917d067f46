"""The observer port: what a task says and what becomes of it, told to whoever listens.

Observers stand beside the work, never in its way: they get their events in batches from
a bounded queue, after the fact, and whatever they raise ends with them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from fastapi_taskflow.loggers.bounds import is_being_cancelled
from fastapi_taskflow.rules.context import LEVELS, known_level
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "LEVELS",
    "LifecycleEvent",
    "LogEvent",
    "TaskEvent",
    "TaskObserver",
    "checked_level",
    "is_at_least",
    "rank",
]

logger = logging.getLogger(__name__)

# After so long in handlers of one batch, everything else on the loop has its turn.
_TURN_SECONDS = 0.01


def checked_level(level: object) -> str:
    """The level itself, if it is one of `LEVELS`; else ``"info"``, with a warning."""
    known = known_level(level)
    if known != level:
        logger.warning(
            "A level is one of %s, got %.40r: it counts as %r", ", ".join(LEVELS), level, known
        )
    return known


def is_at_least(level: str, min_level: str) -> bool:
    """Whether ``level`` is as grave as ``min_level``; an unknown one counts as info."""
    return rank(level) >= rank(min_level)


def rank(level: str) -> int:
    """The number of a level in `LEVELS`; that of info for an unknown one."""
    return LEVELS.get(level, logging.INFO)


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line that a task wrote with `task_log`.

    ``timestamp`` is aware UTC. ``attempt`` is 0 on the first run. ``extra`` holds the
    keyword arguments of the call. ``title`` is the task's.
    """

    task_id: str
    func_name: str
    message: str
    level: str
    timestamp: datetime
    attempt: int
    tags: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """A task has come to ``status``; told after the change is as durable as the task.

    ``timestamp`` is aware UTC, ``duration`` the seconds of the attempt that has ended
    (None while there is none). ``error`` and ``stacktrace`` are those of a failure.
    ``title`` is the task's, ``summary`` what its function has said of its work so far.
    """

    task_id: str
    func_name: str
    status: TaskStatus
    timestamp: datetime
    attempt: int
    retries_used: int = 0
    duration: float | None = None
    error: str | None = None
    stacktrace: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    title: str | None = None
    summary: str | None = None


TaskEvent = LogEvent | LifecycleEvent


class TaskObserver:
    """Base of everything that listens; override what you need, the rest does nothing.

    All methods run on the event loop of the engine, so none may block it: hand slow work
    to a thread, once per batch (`on_events`). An observer that raises or is slow loses
    events of its own and nothing else; both are logged once and then counted.

    Args:
        min_level: Log events below it are not given to `on_log`; an unknown level counts as
            info, with a warning. Lifecycle events have no level and always come.
    """

    # Also here, for subclasses that do not call this class's __init__.
    min_level: str = "info"

    def __init__(self, min_level: str = "info") -> None:
        self.min_level = checked_level(min_level)

    async def startup(self) -> None:
        """Called once before the first event of a run of the engine."""

    async def close(self) -> None:
        """Called once after the last event of a run; a later `startup` may follow."""

    async def on_log(self, event: LogEvent) -> None:
        """A task wrote a line of at least ``min_level``."""

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        """A task changed its state."""

    async def on_events(self, events: Sequence[TaskEvent]) -> None:
        """Take a batch, in the order in which things happened.

        The default calls `on_log` and `on_lifecycle` for one event after the other.
        Override it where a whole batch costs little more than one event.

        Raises:
            Exception: the first that a handler raised, after all events had their turn,
                with a note that says how many failed.
        """
        errors: list[BaseException] = []
        begun = monotonic()
        for event in events:
            try:
                await self._dispatch(event)
            except asyncio.CancelledError as exc:
                if is_being_cancelled():
                    raise
                errors.append(exc)
            except Exception as exc:  # the other events of the batch are not at fault
                errors.append(exc)
            # A handler that never waits would hold the loop for a whole batch of events.
            if monotonic() - begun > _TURN_SECONDS:
                await asyncio.sleep(0)
                begun = monotonic()
        if errors:
            errors[0].add_note(f"{len(errors)} of the batch's {len(events)} events failed.")
            raise errors[0]

    async def _dispatch(self, event: TaskEvent) -> None:
        if isinstance(event, LifecycleEvent):
            await self.on_lifecycle(event)
        elif is_at_least(event.level, self.min_level):
            await self.on_log(event)
