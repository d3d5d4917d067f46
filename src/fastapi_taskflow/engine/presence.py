"""This instance's heartbeat.

It beats from a thread, so that a blocked event loop does not look dead; it measures how
late the loop answers and publishes that as its lag.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from fastapi_taskflow.backends.base import Backend

__all__ = ["Presence"]

logger = logging.getLogger(__name__)


class Presence:
    """Beats for one instance id until stopped.

    Args:
        beaten: Called on the loop after each beat with what it answered: True (alive),
            False (declared dead), None (the store did not answer).
    """

    def __init__(
        self,
        backend: Backend,
        instance: str,
        interval: float,
        beaten: Callable[[str, bool | None], None],
    ) -> None:
        self._backend = backend
        self._instance = instance
        self._interval = interval
        self._beaten = beaten
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"taskflow heartbeat {instance[-8:]}", daemon=True
        )
        # When the loop was last asked to answer and when it did; written by either side.
        self._asked_at = self._answered_at = time.monotonic()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further beat begins. Does not wait for one that is under way."""
        self._stop.set()

    async def stopped(self, timeout: float) -> None:
        """Wait until no beat is under way, at most ``timeout`` seconds."""
        self.stop()
        await asyncio.to_thread(self._thread.join, timeout)

    @property
    def lag(self) -> float:
        """Seconds that the loop has owed an answer, or took for its last one."""
        if self._answered_at >= self._asked_at:
            return self._answered_at - self._asked_at
        return time.monotonic() - self._asked_at

    def _run(self) -> None:
        failures = 0
        while not self._stop.wait(self._interval):
            alive: bool | None
            lag = self.lag
            self._ask()
            try:
                alive = self._backend.beat(self._instance, lag)
                failures = 0
            except Exception as exc:  # a store outage kills nobody; the next beat tells
                alive = None
                failures += 1
                if failures == 1:
                    logger.warning("A heartbeat could not be stored: %s", exc)
            if not self._post(alive):
                return

    def _ask(self) -> None:
        if self._answered_at >= self._asked_at:
            self._asked_at = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                self._stop.set()

    def _answer(self) -> None:
        self._answered_at = time.monotonic()

    def _post(self, alive: bool | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._beaten, self._instance, alive)
        except RuntimeError:  # the loop is closed without a stop
            return False
        return True
