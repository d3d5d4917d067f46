"""What functions tell while they run: kept within bounds, without secrets, and passed on."""

from __future__ import annotations

import json
from typing import Any

from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.engine.run.completing import Completing
from fastapi_taskflow.rules.context import known_level, log_line
from fastapi_taskflow.rules.redaction import MASK, Mask
from fastapi_taskflow.words.loglines import levelled
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.said import (
    LINE_LIMIT_BYTES,
    MESSAGE_LIMIT_BYTES,
    SUMMARY_CHARACTERS,
    Completion,
    Emitted,
    Line,
    Progress,
    Said,
    Summary,
    line_of,
)
from fastapi_taskflow.words.texts import fit

__all__ = ["Hearing"]


class Hearing:
    """Takes what attempts tell. From any thread."""

    def __init__(self, core: Core, mirror: Mirror) -> None:
        self._core = core
        self._mirror = mirror
        self._completing = Completing(core)

    def heard(self, attempt: Attempt, said: Said) -> None:
        """An attempt told something.

        Raises:
            TypeError: an executor of the user's own gives what is none of it.
        """
        if type(said) is Line:
            self._line(attempt, said)
        elif type(said) is Progress:
            self._progress(attempt, said)
        elif type(said) is Emitted:
            self._emitted(attempt, said)
        elif type(said) is Summary:
            self._summary(attempt, said)
        elif type(said) is Completion:
            said.answer = self._completing.answer(attempt, said)
        else:
            raise TypeError(f"An executor passes on what a call tells, not {quoted(said)}")

    def _line(self, attempt: Attempt, line: Line) -> None:
        """Keep a line, up to the limit, and pass it on."""
        task = attempt.task
        level = known_level(line.level)
        message = fit(line.message, LINE_LIMIT_BYTES, attempt.mask)
        extra = self._details(line.extra, attempt.mask) if line.extra else line.extra
        most_lines = self._core.settings.max_log_lines
        written = levelled(log_line(self._core.clock.now(), message), level)
        first = task.write_line(written, most_lines)
        self._mirror.logged(attempt, message, level, extra, first=first)

    def _details(self, extra: dict[str, Any], mask: Mask) -> dict[str, Any]:
        try:
            return self._core.settings.redactor.details(extra, mask)
        # They are foreign objects: a line with them is worth more than none.
        except BaseException:
            return dict.fromkeys(extra, MASK)

    def _progress(self, attempt: Attempt, progress: Progress) -> None:
        if attempt.over:
            return  # what it says is not of the attempt that may run by now
        if progress.message is not None:
            message = fit(progress.message, MESSAGE_LIMIT_BYTES, attempt.mask)
            progress = progress._replace(message=message)
        attempt.task.record.progress = progress
        if attempt.task.told().advance(progress):
            self._mirror.news(attempt.task)

    def _summary(self, attempt: Attempt, summary: Summary) -> None:
        if attempt.over:
            return  # as in `_progress`
        text = line_of(summary.text, SUMMARY_CHARACTERS, attempt.mask)
        attempt.task.record.summary = text
        if attempt.task.told().sum_up(text):
            self._mirror.news(attempt.task)

    def _emitted(self, attempt: Attempt, emitted: Emitted) -> None:
        if attempt.over:
            return  # as in `_progress`
        if attempt.mask:
            shown = self._details({"data": json.loads(emitted.data)}, attempt.mask)["data"]
            emitted = Emitted(json.dumps(shown, separators=(",", ":")))
        if attempt.task.told().emit(emitted.data):
            self._mirror.news(attempt.task)
