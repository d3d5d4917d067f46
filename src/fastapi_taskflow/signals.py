"""SIGTERM and SIGINT start the drain at once.

A server runs its lifespan's shutdown only after attached background tasks and open
streams have ended; the drain clock must not wait for that. Handlers that were there stay
and are called after ours.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["chain"]

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def chain(task_manager: TaskManager) -> Callable[[], None]:
    """Put our handlers in front; gives a function that puts the former ones back.

    Only in the main thread, and only where somebody handles the signal: a default action
    stays as it is.
    """
    engine = task_manager.runtime.running_engine()
    if engine is None or threading.current_thread() is not threading.main_thread():
        return lambda: None
    former: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop is closed already
            engine.loop.call_soon_threadsafe(engine.shutdown.begin)
        before = former.get(signal.Signals(number))
        if callable(before):
            before(number, frame)

    for number in _SIGNALS:
        before = signal.getsignal(number)
        if callable(before) and before is not signal.default_int_handler:
            former[number] = before
            signal.signal(number, handle)

    def restore() -> None:
        for number, before in former.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, before)

    return restore
