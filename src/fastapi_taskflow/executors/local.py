"""Daemon threads for plain functions.

Not `concurrent.futures`: its threads are joined at interpreter exit, so one stuck task
would block the process for ever. These are daemons, and nobody waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["DaemonThreads"]


class DaemonThreads:
    """Up to ``limit`` threads, started as they are needed and kept until `close`."""

    def __init__(self, limit: int, *, name: str = "taskflow") -> None:
        self._limit = limit
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Protects _threads, _busy and _closed.
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._closed = False

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` on a thread of the pool.

        Raises:
            RuntimeError: the pool is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("The thread pool is closed")
            self._busy += 1
            if self._busy > self._threads and self._threads < self._limit:
                self._threads += 1
                threading.Thread(
                    target=self._work, name=f"{self._name}-{self._threads}", daemon=True
                ).start()
        self._calls.put(call)

    def close(self) -> None:
        """End idle threads now and busy ones after their call; waits for none."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            finally:
                with self._lock:
                    self._busy -= 1
            del call
