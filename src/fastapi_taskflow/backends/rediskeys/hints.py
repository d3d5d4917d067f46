"""Hints that somebody else has changed something. One may get lost: everybody polls as well."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from redis.exceptions import RedisError

from fastapi_taskflow.backends.rediskeys.store import Store

__all__ = ["Hints"]

logger = logging.getLogger(__name__)

# So long nothing comes on a connection until it is asked whether it is still there.
_SILENT_SECONDS = 10.0
# Before it connects again.
_PAUSE_SECONDS = 1.0
_AGAIN_SECONDS = 0.1


class Hints:
    """Listens from `start` on until `stop`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def start(self, on_change: Callable[[], None]) -> None:
        self._task = asyncio.create_task(self._listen(on_change), name="taskflow hints")

    async def stop(self) -> None:
        task, self._task = self._task, None
        # While it connects, the client may lose that it was cancelled.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_AGAIN_SECONDS)

    async def _listen(self, on_change: Callable[[], None]) -> None:
        redis = self._store.connect(1)
        told = False
        try:
            while True:
                try:
                    async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                        await channel.subscribe(self._store.key("changes"))
                        # Something may have been missed.
                        on_change()
                        told = False
                        while True:
                            found = await channel.get_message(timeout=_SILENT_SECONDS)
                            if found is None:
                                await channel.ping()
                            elif found["data"] != self._store.name.encode():
                                on_change()
                except (RedisError, OSError) as exc:
                    # What cannot be heard is found by polling.
                    if not told:
                        logger.warning("No hints from %s: %s", self._store.place, exc)
                    told = True
                await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        finally:
            await redis.aclose()
