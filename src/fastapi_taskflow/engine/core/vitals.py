"""What the store says of its own state, asked now and then by whoever wants to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from fastapi_taskflow.backends.base import Backend, Finding
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Vitals"]

logger = logging.getLogger(__name__)

_FRESH_SECONDS = 60.0


class Vitals:
    """The findings of `Backend.vitals`, up to a minute old."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._found: Sequence[Finding] = ()
        self._asked_at = float("-inf")

    async def now(self, patience: float) -> Sequence[Finding]:
        """The newest, after at most ``patience`` seconds; of an outage others tell."""
        now = time.monotonic()
        if now - self._asked_at >= _FRESH_SECONDS:
            # Whatever becomes of it: a store in trouble is not asked by every probe.
            self._asked_at = now
            try:
                async with asyncio.timeout(patience):
                    self._found = await self._backend.vitals()
            except (StoreUnavailable, TimeoutError) as error:
                logger.debug("The store says nothing of its state: %r", error)
        return self._found
