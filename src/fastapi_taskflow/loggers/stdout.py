"""Events on standard output, for containers and for a developer's terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastapi_taskflow.loggers.writer import LineObserver

__all__ = ["StdoutLogger"]


class StdoutLogger(LineObserver):
    """Writes one line per event to ``sys.stdout``, whatever that is at the time.

    Args:
        log_lifecycle: Write a line for every change of a task's state as well.
        min_level: Log events below it are left out.
    """

    def _write(self, lines: Sequence[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        # What the terminal cannot show is escaped rather than refused.
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
