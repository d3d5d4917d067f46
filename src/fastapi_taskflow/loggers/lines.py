"""Events as text: one event, one line, whatever the task wrote.

Control characters are escaped, so that a message can neither forge a second line nor
send commands to the terminal of whoever reads the log.
"""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.loggers.base import LogEvent, TaskEvent
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL
from fastapi_taskflow.words.texts import escape

__all__ = ["format_event"]


def format_event(event: TaskEvent) -> str:
    """The event's line, without a line end.

    ``[<last 8 of id>] [func] 2026-04-30T12:00:00 message`` for a log event, ``...
    -- SUCCESS`` for a lifecycle event, with the task's title, and with the text of its error or
    its summary, where there is one.
    """
    if isinstance(event, LogEvent):
        text = event.message
    else:
        text = f"-- {TaskStatus(event.status).name}"
        if event.title is not None:
            text += f" [{event.title}]"
        if event.error is not None:
            text += f": {event.error}"
        elif event.summary is not None and event.status in TERMINAL:
            text += f": {event.summary}"
    stamp = _seconds(event.timestamp)
    return escape(f"[{event.task_id[-8:]}] [{event.func_name}] {stamp} {text}")


def _seconds(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
