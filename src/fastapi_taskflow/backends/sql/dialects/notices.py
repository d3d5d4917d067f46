"""PostgreSQL's LISTEN and NOTIFY: instances hint to each other that there is something to do.

On a connection of its own, after the commit: a NOTIFY within the transaction would let all of them
commit one by one. What gets lost, while it connects anew or behind a pool of another process, is
found by the poll.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fastapi_taskflow.words.ids import new_id

__all__ = ["Notices", "notify"]

logger = logging.getLogger(__name__)

# What comes sooner after a notice goes with the next one: so a busy instance wakes the others a
# hundred times a second, and an idle one at once.
_REST_SECONDS = 0.01
# A connection that was cut off without a word is found by this.
_PING_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 15.0


def notify(channel: str, payload: str = "") -> sa.Select[tuple[Any]]:
    """The statement that wakes who listens, at the commit of its transaction."""
    return sa.select(sa.func.pg_notify(channel, payload))


class Notices:
    """Tells other instances, and hears them, from `start` to `stop`.

    Args:
        engine: For one connection; disposed of at the end.
        channel: Of this store alone.
        heard: Called on the event loop when another instance told something.
    """

    def __init__(self, engine: AsyncEngine, channel: str, heard: Callable[[], None]) -> None:
        self._engine = engine
        self._channel = channel
        self._heard = heard
        # Own notices come back.
        self._me = new_id()
        self._woken = asyncio.Event()
        self._is_due = self._is_lost = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._task = asyncio.create_task(self._run(), name="taskflow notices")

    def tell(self) -> None:
        """There is something to do that others may see."""
        self._is_due = True
        self._woken.set()

    async def stop(self) -> None:
        """Disconnect."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        try:
            while True:
                try:
                    async with self._engine.connect() as sql:
                        await self._use(sql)
                    pause = _FIRST_PAUSE_SECONDS
                # Whatever the driver raises: nothing but hints is lost.
                except Exception as exc:
                    logger.debug("Notices of %s: %s", self._channel, exc)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (no secret)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        finally:
            await self._engine.dispose()

    async def _use(self, sql: AsyncConnection) -> None:
        """Until it is lost."""
        try:
            # The engine's own options would go before those of a copy of it.
            await sql.execution_options(isolation_level="AUTOCOMMIT")
            await self._listen(sql)
            # Meanwhile others may have told in vain.
            self._heard()
            await self._serve(sql)
        finally:
            # It listens, or it is dead: nobody gets it from the pool.
            await sql.invalidate()

    async def _listen(self, sql: AsyncConnection) -> None:
        self._is_lost = False
        connection: Any = (await sql.get_raw_connection()).driver_connection
        connection.add_termination_listener(self._cut)
        await connection.add_listener(self._channel, self._arrived)

    def _cut(self, _connection: object) -> None:
        self._is_lost = True
        self._woken.set()

    def _arrived(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        if payload != self._me:
            self._heard()

    async def _serve(self, sql: AsyncConnection) -> None:
        telling, ping = notify(self._channel, self._me), sa.select(1)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_SECONDS):
                    await self._woken.wait()
            if self._is_lost:
                return
            due, self._is_due = self._is_due, False
            self._woken.clear()
            async with asyncio.timeout(_ANSWER_SECONDS):
                await sql.execute(telling if due else ping)
            await asyncio.sleep(_REST_SECONDS)
