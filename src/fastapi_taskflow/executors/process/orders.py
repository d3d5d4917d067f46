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
from collections.abc import Callable
from types import FrameType

from fastapi_taskflow.executors.base import Reason
from fastapi_taskflow.executors.local import LocalRun
from fastapi_taskflow.executors.process.rawsignals import getsignal

__all__ = ["DRAIN", "STOPS", "Ordered", "Orders"]

DRAIN = b"-"
STOPS: dict[Reason, bytes] = {"cancel": b"c", "timeout": b"t", "drain": b"d", "lost": b"l"}
_REASONS = {order: reason for reason, order in STOPS.items()}


class Ordered(SystemExit):
    """The parent ends the run."""


class _Within:
    """A place in the main thread's work: an order may end what is done there."""

    def __init__(self, obey: Callable[[], None]) -> None:
        self.there = False
        self._obey = obey

    def __enter__(self) -> None:
        self.there = True
        self._obey()

    def __exit__(self, *_: object) -> None:
        self.there = False


class _Shield:
    """What is done in it is done as a whole; for any thread."""

    def __init__(self, obey: Callable[[], None]) -> None:
        # How often the main thread is in it.
        self.depth = 0
        self._obey = obey
        self._main = threading.main_thread().ident

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() == self._main:
            self.depth -= 1
            self._obey()


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
        # Invariant: `Ordered` is raised on the main thread in `obeyed`, out of `shielded`.
        self.obeyed = _Within(self._obey)
        self.shielded = _Shield(self._obey)
        self._handlers = {signal.SIGINT: _ignore, signal.SIGTERM: self._told}
        self.hear()
        # Who asks a terminal gets an error, as its group is in the background: else it would stop.
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=self._listen, name="taskflow-orders", daemon=True).start()

    def hear(self) -> None:
        """Again, after a module or a function has set handlers of its own; main thread."""
        for number, handler in self._handlers.items():
            if getsignal(number) is not handler:
                signal.signal(number, handler)

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self._obey()

    def _obey(self) -> None:
        if self.reason is None or not self.obeyed.there or self.shielded.depth:
            return
        if self.run is not None:
            self.run.reason = self.reason
        # Once: what the function does about it is not disturbed.
        self.obeyed.there = False
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
