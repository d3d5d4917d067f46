"""What Python's logging hears of an attempt that failed: silence is the worst bug.

A line for a failure that is retried; a traceback for the last one. The text is the task's,
and logs are read on terminals, so control characters and terminal sequences are taken out.
"""

from __future__ import annotations

import logging

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.rules.ends import Ended, Raised, TimedOut
from fastapi_taskflow.rules.retry import Verdict
from fastapi_taskflow.words.states import Move

__all__ = ["report"]

logger = logging.getLogger(__name__)

_LINE = "Task %s (%s) %s: %s"
_LINE_AND_TRACEBACK = _LINE + "\n%s"
_TRACEBACK = "taskflow_traceback"


class _Traceback(logging.Filter):
    """Puts in the traceback that is written already, which formatters take as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        written = record.__dict__.pop(_TRACEBACK, None)
        if written is not None:
            record.exc_text = written
        return True


logger.addFilter(_Traceback())


def report(task: LiveTask, ended: Ended, verdict: Verdict) -> None:
    """Log a failure; nothing if the attempt did not fail.

    ERROR with the traceback if it was the last attempt, else one line at WARNING. Where
    DEBUG is enabled, that has its traceback too.
    """
    if not isinstance(ended, Raised | TimedOut) or verdict.move in (Move.SNOOZE, Move.CANCEL):
        return
    retried = verdict.move is Move.RETRY
    level = logging.WARNING if retried else logging.ERROR
    what = f"will run again in {verdict.delay:g} s" if retried else "failed"
    record = task.record
    told = (record.task_id, record.func_name, what, (verdict.error or "").replace("\n", " "))
    if isinstance(ended, TimedOut) or (retried and not logger.isEnabledFor(logging.DEBUG)):
        notify(logger, level, _LINE, *told)
        return
    text = _indented(ended.stacktrace or "")
    # Where it is hidden, the exception itself holds what must not be logged.
    if ended.hidden or not notify(
        logger, level, _LINE, *told, error=ended.error, extra={_TRACEBACK: text}
    ):
        notify(logger, level, _LINE_AND_TRACEBACK, *told, text)


def _indented(trace: str) -> str:
    """So that no line of an error's text can pass for a line of the log."""
    return "  " + trace.rstrip().replace("\n", "\n  ")
