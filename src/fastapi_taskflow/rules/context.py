"""What a task sees of its own run, and the line format of what it logs.

The run is carried by a context variable, so it reaches helpers, threads that were given
a copy of the context, and tasks that the function starts.
"""

from __future__ import annotations

import logging
from asyncio import Future
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.loglines import LEVELS
from fastapi_taskflow.words.models import TaskContext
from fastapi_taskflow.words.said import LINE_LIMIT_BYTES, Line, Said
from fastapi_taskflow.words.texts import as_text, fit

__all__ = [
    "LEVELS",
    "RunContext",
    "TaskExecutionContext",
    "activate",
    "current_run",
    "deactivate",
    "get_task_context",
    "known_level",
    "log_line",
    "retry_separator",
    "task_log",
]

_outside = logging.getLogger("fastapi_taskflow.task")


class RunContext(Protocol):
    """One attempt as its own code may see it; the engine's attempts have this form."""

    @property
    def task_context(self) -> TaskContext:
        """What `get_task_context` answers."""

    def say(self, said: Said) -> None:
        """Take what the task tells. Called from any thread."""

    def accompanied_by(self, helper: Future[Any]) -> None:
        """Something on the event loop works for it, and is cancelled with it."""


_current: ContextVar[RunContext | None] = ContextVar("fastapi_taskflow_run", default=None)


def activate(run: RunContext) -> Token[RunContext | None]:
    """Make ``run`` the current one in this context; undo it with `deactivate`."""
    return _current.set(run)


def deactivate(token: Token[RunContext | None]) -> None:
    """Bring back what was current before the `activate` that gave ``token``."""
    _current.reset(token)


def current_run() -> RunContext | None:
    """The attempt that runs here; None outside a task."""
    return _current.get()


def get_task_context() -> TaskContext | None:
    """What the running task may know of itself; None outside a task."""
    run = _current.get()
    return None if run is None else run.task_context


def task_log(message: str, *, level: str = "info", **extra: Any) -> None:
    """Add a line to the running task's log, and give it to the observers.

    Outside a task it goes to the logger ``fastapi_taskflow.task``, so a helper can be
    called from anywhere.

    Args:
        message: The line. Anything that is not text is turned into text.
        level: One of `LEVELS`, in any case; anything else counts as ``"info"``, because a line
            must not fail its task.
        extra: Values for structured observers.
    """
    level = known_level(level)
    run = _current.get()
    if run is None:
        # Under a key of its own: `logging` refuses extra keys such as "name".
        text = fit(_text_of(message), LINE_LIMIT_BYTES)
        _outside.log(LEVELS[level], "%s", text, extra={"task_extra": extra})
    else:
        run.say(Line(_text_of(message), level, extra))


def _text_of(message: Any) -> str:
    if isinstance(message, str):
        return message
    try:
        if isinstance(message, BaseException):
            return error_text(message)
        return as_text(message)
    # Of the user's own class; a line that cannot be written is no reason to fail.
    except Exception as exc:
        return f"<{type(message).__name__} whose text raised {type(exc).__name__}>"


def known_level(level: object) -> str:
    """The one of `LEVELS` that is meant; ``"info"`` for what is none of them."""
    if isinstance(level, str):
        if level in LEVELS:
            return level
        if level.lower() in LEVELS:
            return level.lower()
    return "info"


def log_line(moment: datetime, message: str) -> str:
    """One entry of a record's logs: ``YYYY-MM-DDTHH:MM:SS message``, the time in UTC.

    Newlines stay inside the entry. Control characters and terminal sequences are removed,
    and a message over 16 KiB is cut.

    Args:
        moment: Aware.
    """
    when = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    text = fit(message, LINE_LIMIT_BYTES)
    return f"{when.replace(tzinfo=None).isoformat(timespec='seconds')} {text}"


def retry_separator(n: int) -> str:
    """The entry that stands between the lines of two attempts; ``n`` from 1."""
    return f"--- Retry {n} ---"


@dataclass
class TaskExecutionContext:
    """Who a log line or an event belongs to, in a form that can leave the process."""

    task_id: str
    func_name: str
    attempt: int
    tags: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TaskExecutionContext:
        """The context that `to_dict` gave; keys it does not know are ignored.

        Raises:
            KeyError: a field is missing.
        """
        return cls(
            task_id=data["task_id"],
            func_name=data["func_name"],
            attempt=data["attempt"],
            tags=dict(data.get("tags") or {}),
        )
