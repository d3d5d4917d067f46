"""Lines of `logging` become lines of a task, where its log is kept elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi_taskflow.executors.local import LocalRun
from fastapi_taskflow.rules.context import LEVELS
from fastapi_taskflow.words.said import Line

__all__ = ["Forward"]


class Forward(logging.Handler):
    """Says lines for the run that they belong to.

    Args:
        current: The run under way where a line is written; None: the line is for nobody.
    """

    def __init__(self, current: Callable[[], LocalRun | None]) -> None:
        super().__init__()
        self._current = current

    def attach(self) -> None:
        """Hear of what reaches the root logger, also after logging was configured anew."""
        root = logging.getLogger()
        if type(root.handlers) is not _Handlers:
            root.handlers = _Handlers(root.handlers)
        if self not in root.handlers:
            root.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        run = self._current()
        if run is None:
            return
        try:
            levels = [name for name, least in LEVELS.items() if least <= record.levelno]
            level = levels[-1] if levels else "debug"
            run.say(Line(self.format(record), level, {"logger": record.name}))
        # As handlers do: a line must not fail its task.
        except Exception:
            self.handleError(record)


class _Handlers(list[logging.Handler]):
    """Of the root logger. `logging.config`, and `basicConfig` with ``force``, remove all it has."""

    def remove(self, handler: logging.Handler) -> None:
        if type(handler) is not Forward:
            super().remove(handler)
