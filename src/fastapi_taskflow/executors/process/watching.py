"""The thread that looks how much memory children hold."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from threading import Lock, Thread

from fastapi_taskflow.executors.process import memory

__all__ = ["MemoryWatch"]

logger = logging.getLogger(__name__)

OnOver = Callable[[int], None]

# Elsewhere a look takes a process of its own.
_STEP_SECONDS = 0.05 if sys.platform == "linux" else 0.5


class MemoryWatch:
    """For any thread. Its own is there as long as somebody is watched."""

    def __init__(self) -> None:
        # Protects what follows. By the child's number: its limit in bytes, whom to tell.
        self._lock = Lock()
        self._watched: dict[int, tuple[int, OnOver]] = {}
        self._looks = False

    def add(self, pid: int, limit: int, over: OnOver) -> None:
        """Watch a child and what it has started.

        Args:
            over: Told, perhaps more than once, of more bytes than ``limit``.

        Raises:
            RuntimeError: the system gives no thread.
        """
        with self._lock:
            self._watched[pid] = limit, over
            if self._looks:
                return
            Thread(target=self._look, name="taskflow-memory", daemon=True).start()
            self._looks = True

    def remove(self, pid: int) -> None:
        """Watch it no more; it may be told of once more."""
        with self._lock:
            self._watched.pop(pid, None)

    def _look(self) -> None:
        while True:
            with self._lock:
                watched = dict(self._watched)
                if not watched:
                    self._looks = False
                    return
            try:
                found = memory.over({pid: limit for pid, (limit, _) in watched.items()})
            # A system that tells something else: the limits are not kept, and nothing else ends.
            except Exception:
                logger.exception("How much memory tasks hold cannot be found out")
                found = {}
            for pid, size in found.items():
                watched[pid][1](size)
            time.sleep(_STEP_SECONDS)
