"""Event loops of threads."""

from __future__ import annotations

import asyncio

__all__ = ["loop_runs_here"]


def loop_runs_here() -> bool:
    """An event loop runs in this thread, the engine's or another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
