"""Events as text: one event, one line, whatever the task wrote.

Control characters are escaped, so that a message can neither forge a second line nor
send commands to the terminal of whoever reads the log.
"""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.loggers.base import LogEvent, TaskEvent
from fastapi_taskflow.models import TaskStatus

__all__ = ["escape", "format_event"]

# C0 (with CR, LF, ESC), DEL and C1; the two Unicode line ends; marks that reorder text.
_UNSAFE = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]
_UNSAFE += range(0x2066, 0x206A)
_ESCAPES = {code: chr(code).encode("unicode_escape").decode() for code in _UNSAFE}
del _ESCAPES[ord("\t")]


def escape(text: str) -> str:
    r"""The text on one line, with control characters as Python would write them.

    >>> escape("two\nlines")
    'two\\nlines'
    """
    # None of the marks is printable. Nearly every text is, and asking is ten times cheaper.
    return text if text.isprintable() else text.translate(_ESCAPES)


def format_event(event: TaskEvent) -> str:
    """The event's line, without a line end.

    ``[<last 8 of id>] [func] 2026-04-30T12:00:00 message`` for a log event, ``...
    -- SUCCESS`` for a lifecycle event, with the error's text where there is one.
    """
    if isinstance(event, LogEvent):
        text = event.message
    else:
        text = f"-- {TaskStatus(event.status).name}"
        if event.error is not None:
            text += f": {event.error}"
    stamp = _seconds(event.timestamp)
    return escape(f"[{event.task_id[-8:]}] [{event.func_name}] {stamp} {text}")


def _seconds(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
