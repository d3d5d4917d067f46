"""One start or stop after the other, on whichever event loop they are asked for."""

from __future__ import annotations

import asyncio

__all__ = ["Turns"]


class Turns:
    """A lock that outlives event loops: each has its own."""

    def __init__(self) -> None:
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def turn(self) -> asyncio.Lock:
        """The lock of this event loop."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = loop, asyncio.Lock()
        return self._lock[1]
