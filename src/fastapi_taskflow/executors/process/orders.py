"""In a child: what its parent orders while a function runs, and the parent's end.

A thread listens, so that a function need not. An order to stop becomes a SIGTERM that the main
thread gets, which wakes it from what it waits for, and raises `Ordered` in the function: its
``finally`` blocks run. A SIGTERM or SIGINT from anybody else is not for a child: a service
manager sends it to all processes, and it is the parent that decides when a task ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fastapi_taskflow.executors.base import Reason
from fastapi_taskflow.executors.local import LocalRun

__all__ = ["DRAIN", "STOPS", "Ordered", "Orders"]

DRAIN = b"-"
STOPS: dict[Reason, bytes] = {"cancel": b"c", "timeout": b"t", "drain": b"d", "lost": b"l"}
_REASONS = {order: reason for reason, order in STOPS.items()}


class Ordered(SystemExit):
    """The parent ends the run."""


class Orders:
    """Made on the main thread, which runs the functions.

    ``reason`` stays: a child that was stopped runs nothing any more.
    """

    def __init__(self, orders: int) -> None:
        self.draining = False
        self.run: LocalRun | None = None
        self.reason: Reason | None = None
        self._orders = orders
        self._main = threading.main_thread().ident or 0
        # Main thread only. Invariant: `Ordered` is raised in _within and out of _shields only.
        self._within = False
        self._shields = 0
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, self._told)
        threading.Thread(target=self._listen, name="taskflow-orders", daemon=True).start()

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """For the main thread: an order may end what is done here."""
        self._within = True
        try:
            self._obey()
            yield
        finally:
            self._within = False
            self.run = None

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """What is done here is done as a whole; for any thread."""
        if threading.get_ident() != self._main:
            yield
            return
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self._obey()

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self._obey()

    def _obey(self) -> None:
        if self.reason is None or not self._within or self._shields:
            return
        if self.run is not None:
            self.run.reason = self.reason
        # Once: what the function does about it is not disturbed.
        self._within = False
        raise Ordered(f"stopped: {self.reason}")

    def _listen(self) -> None:
        while order := os.read(self._orders, 1):
            if order == DRAIN:
                self.draining = True
            else:
                self.reason = _REASONS[order]
                signal.pthread_kill(self._main, signal.SIGTERM)
        # The parent is gone, and nobody is there to be told of anything.
        os._exit(1)


def _ignore(_number: int, _frame: FrameType | None) -> None: ...
