"""Trying again for a while to store what somebody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.words.errors import StoreFull, StoreUnavailable

__all__ = ["patiently"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.5


async def patiently(core: Core, write: Callable[[], Awaitable[T]]) -> T:
    """Write until the store answers, for as long as the settings say.

    Args:
        write: Safe to be sent again after a lost reply.

    Raises:
        StoreUnavailable: it did not answer in time.
        StoreFull: at once.
    """
    deadline = core.clock.monotonic() + core.settings.enqueue_patience
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await write()
        except StoreFull:
            raise
        except StoreUnavailable:
            if core.clock.monotonic() + pause > deadline:
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
