"""Functions that benchmarks run in child processes; it imports nothing that takes time."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

__all__ = ["burns", "matches", "noop", "pid_into", "sleeps_in", "takes"]


def noop() -> None: ...


def takes(data: bytes) -> int:
    return len(data)


def burns(seconds: float) -> None:
    """Keep a core busy."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1_000))


def pid_into(path: str) -> None:
    """Say who it is, as a whole."""
    Path(f"{path}.new").write_text(str(os.getpid()))
    Path(f"{path}.new").rename(path)


def sleeps_in(path: str) -> None:
    pid_into(path)
    time.sleep(600)


def matches(path: str) -> None:
    """One call in C that lets no other thread run."""
    pid_into(path)
    re.match(r"(a|aa)+$", "a" * 200 + "b")
