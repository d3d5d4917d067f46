"""What tasks and clients did, in files that survive SIGKILL.

Each line is one ``write`` on a file opened for appending: it is there as a whole or not
at all, whoever dies when.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

__all__ = ["Evidence", "read_lines"]


class Evidence:
    """Appends to one file; from any thread or process."""

    def __init__(self, path: str | Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)

    def write(self, what: str, **facts: Any) -> None:
        """One line, with the time and this process's id."""
        line = {"what": what, "at": time.time(), "pid": os.getpid(), **facts}
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def read_lines(path: str | Path, having: str = "") -> list[dict[str, Any]]:
    """All lines of a file (that have a text in them), in order; none if it is missing."""
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines() if having in line]
