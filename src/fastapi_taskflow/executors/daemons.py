"""Daemon threads for plain functions.

Not `concurrent.futures`: its threads are joined at interpreter exit, so one stuck task
would block the process for ever. These are daemons, and nobody waits for them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

__all__ = ["DaemonThreads"]

logger = logging.getLogger(__name__)


class DaemonThreads:
    """Up to ``limit`` threads, started as they are needed and kept until `close`.

    Args:
        begin: What each thread calls first.
    """

    def __init__(
        self, limit: int, *, name: str = "taskflow", begin: Callable[[], None] = lambda: None
    ) -> None:
        self._begin = begin
        self._limit = limit
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Protects _threads and _busy.
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._closed = False

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` on a thread of the pool.

        Raises:
            RuntimeError: the pool is closed, or the system gives no thread.
        """
        if self._closed:
            raise RuntimeError("The thread pool is closed")
        if self._threads < self._limit:
            self._grow()
        self._calls.put(call)

    def _grow(self) -> None:
        """Start a thread if none is idle."""
        with self._lock:
            self._busy += 1
            # Several event loops may share a pool: another one may have filled it by now.
            if self._busy <= self._threads or self._threads >= self._limit:
                return
            try:
                threading.Thread(
                    target=self._work, name=f"{self._name}-{self._threads + 1}", daemon=True
                ).start()
            except RuntimeError:
                # The system has no more: those that there are will come to it.
                if not self._threads:
                    self._busy -= 1
                    raise
            else:
                self._threads += 1

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
        self._begin()
        while (call := self._calls.get()) is not None:
            try:
                call()
            # It must not raise. If it does, the thread must not be lost for others.
            except BaseException:
                with suppress(Exception):
                    logger.exception("A call on a thread raised")
            finally:
                # Who is busy is of interest as long as there may be more threads.
                if self._threads < self._limit:
                    with self._lock:
                        self._busy -= 1
            del call
