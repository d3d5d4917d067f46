"""This instance's heartbeat.

It beats from a thread, so that a blocked event loop does not look dead; it measures how
late the loop answers and publishes that as its lag. A loop that does not answer for a while is
complained of, with the place that keeps it: it serves nobody meanwhile, and says nothing itself.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import PurePath
from typing import Any

__all__ = ["Presence"]

logger = logging.getLogger(__name__)

# Longer than a loop owes its answer on a machine that is merely busy.
_BLOCKED_SECONDS = 2.0
_COMPLAINT_SECONDS = 60.0
_FRAMES = 6
_MOST_FRAMES = 200
# From where tasks are called.
_CALLERS = tuple(str(PurePath(__file__).parents[2] / name) for name in ("engine", "executors"))


class Presence:
    """Beats for one instance id until stopped.

    Args:
        beat: `Backend.beat` of an instance and its lag; called in the thread.
        beaten: Called on the loop after each beat with what it answered: True (alive),
            False (declared dead), None (the store did not answer).
    """

    def __init__(
        self,
        beat: Callable[[str, float], Coroutine[Any, Any, bool]],
        instance: str,
        interval: float,
        beaten: Callable[[str, bool | None], None],
    ) -> None:
        self._beat = beat
        self._instance = instance
        self._interval = interval
        self._beaten = beaten
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._complained_at = float("-inf")
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
        # A loop of its own: what keeps the application's delays no beat.
        with asyncio.Runner() as runner:
            self._beat_on(runner)

    def _beat_on(self, runner: asyncio.Runner) -> None:
        failures = 0
        while not self._rest():
            alive: bool | None
            lag = self.lag
            self._ask()
            try:
                alive = runner.run(self._beat(self._instance, lag))
                failures = 0
            except Exception as exc:  # a store outage kills nobody; the next beat tells
                alive = None
                failures += 1
                if failures == 1:
                    logger.warning("A heartbeat could not be stored: %s", exc)
            if not self._post(alive):
                return

    def _rest(self) -> bool:
        """Wait for the next beat, with a look at the loop; True: there is none."""
        first = min(_BLOCKED_SECONDS, self._interval)
        begun = time.monotonic()
        if self._stop.wait(first):
            return True
        # A process that was stopped or starved has not been blocked by anything in it.
        if time.monotonic() - begun < first + _BLOCKED_SECONDS:
            self._look()
        return self._stop.wait(self._interval - first)

    def _look(self) -> None:
        """Complain of a loop that owes its answer for long, once a minute at most."""
        lag, now = self.lag, time.monotonic()
        if (
            self._answered_at >= self._asked_at
            or lag < _BLOCKED_SECONDS
            or now - self._complained_at < _COMPLAINT_SECONDS
        ):
            return
        self._complained_at = now
        logger.warning(
            "The event loop has been blocked for %.1f s: no request and no task goes on. It is in: "
            "%s. Make a task that blocks a plain function (`def`), which runs in a thread, "
            "or use asyncio.to_thread",
            lag,
            _where(self._loop_thread),
        )

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


def _where(thread: int) -> str:
    """The Python functions in which a thread is: those of the task, or the innermost ones."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001  (documented in spite of its name)
    places: list[str] = []
    shown = slice(-_FRAMES, None)
    while frame is not None and len(places) < _MOST_FRAMES:
        code = frame.f_code
        if code.co_filename.startswith(_CALLERS):
            shown = slice(_FRAMES)
            break
        places.append(f"{code.co_name} ({PurePath(code.co_filename).name}:{frame.f_lineno})")
        frame = frame.f_back
    places.reverse()
    return " > ".join(places[shown]) or "the library itself"
