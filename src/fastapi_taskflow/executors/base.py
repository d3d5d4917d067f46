"""The port of executors that run plain functions outside the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["ThreadRunner"]


class ThreadRunner(Protocol):
    """Runs blocking calls; the engine counts slots, a runner only runs."""

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` soon, elsewhere. It must not raise."""

    def close(self) -> None:
        """Take nothing new; idle workers end. Never waits for a running call."""
