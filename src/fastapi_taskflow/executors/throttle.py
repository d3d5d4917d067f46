"""What a run tells on its way out of a process: one thing at a time, and no more than is seen.

A function may report its progress a million times; only the latest is worth sending, at a
bounded rate.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from fastapi_taskflow.words.said import Progress, Said, Say

__all__ = ["Throttle"]

# More often nobody looks.
_PAUSE_SECONDS = 0.1


class Throttle:
    """Passes on what one run tells, for any thread, until it is closed.

    The first progress goes at once, and so does one that comes after a pause. One that comes
    earlier waits for the pause to end, unless a later one takes its place.

    Args:
        say: Called by one thread at a time.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        # Protects what follows, and who uses `_say`. What is sent may run code of the user's,
        # which may say something.
        self._lock = threading.RLock()
        # Waits for the end of the pause.
        self._latest: Progress | None = None
        self._free_at = 0.0
        # A thread sends what waits.
        self._followed = False
        self._closed = False
        # Wakes that thread at the end.
        self._over: threading.Event | None = None

    def say(self, said: Said) -> None:
        with self._lock:
            if self._closed:
                return
            if type(said) is not Progress:
                self._say(said)
            elif time.monotonic() >= self._free_at and not self._followed:
                self._send(said)
            else:
                self._latest = said
                if not self._followed:
                    self._begin()

    def close(self) -> None:
        """Send what waits. What is said from now on is for nobody."""
        # What another thread says now is sent before, or not at all.
        with self._lock:
            self._closed = True
            if self._latest is not None:
                with suppress(Exception):  # as in `_follow`
                    self._send_latest()
        if self._over is not None:
            self._over.set()

    def _begin(self) -> None:
        over = self._over = self._over or threading.Event()
        with suppress(RuntimeError):  # no room for a thread: it goes with the next, or at the end
            threading.Thread(
                target=self._follow, args=(over,), name="taskflow-progress", daemon=True
            ).start()
            self._followed = True

    def _follow(self, over: threading.Event) -> None:
        while True:
            over.wait(max(0.0, self._free_at - time.monotonic()))
            with self._lock:
                if self._latest is None or self._closed:
                    self._followed = False
                    return
                # The other end is gone: with it whoever would have seen it.
                with suppress(Exception):
                    self._send_latest()

    def _send_latest(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            self._send(latest)

    def _send(self, said: Progress) -> None:
        self._free_at = time.monotonic() + _PAUSE_SECONDS
        self._say(said)
