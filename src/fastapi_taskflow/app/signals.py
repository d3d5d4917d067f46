"""SIGTERM and SIGINT start the drain at once.

A server runs its lifespan's shutdown only after attached background tasks and open
streams have ended; the drain clock must not wait for that. Handlers that were there stay
and are called after ours. A second signal makes the drain's deadline now. A server whose
handler that is may also stop without a signal, see `servers`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from fastapi_taskflow.app.servers import watch
from fastapi_taskflow.engine.lifecycle import Engine

if TYPE_CHECKING:
    from fastapi_taskflow.manager import TaskManager

__all__ = ["chain"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# Engines that hear the signals. With one manager on two apps a single signal must not
# count as two.
_listening: WeakSet[Engine] = WeakSet()

# By our handler, the one that was there before; one manager's may stand before another's.
_behind: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def chain(task_manager: TaskManager) -> Callable[[], None]:
    """Put our handlers in front; gives a function that puts the former ones back.

    Only in the main thread, and only where somebody handles the signal: a default action
    stays as it is.
    """
    engine = task_manager.runtime.running_engine()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if engine is None or engine in _listening or not in_main_thread:
        return lambda: None
    former: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        # Also called after `restore`, if somebody put a handler in front of ours.
        if engine in _listening:
            with suppress(RuntimeError):  # the loop is closed already
                engine.loop.call_soon_threadsafe(engine.begin_drain)
        former[signal.Signals(number)](number, frame)

    _listening.add(engine)
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if callable(before) and before is not signal.default_int_handler:
            former[number] = before
            _behind[handle] = before
            signal.signal(number, handle)
    forget = watch(engine, _server_of(handle))

    def restore() -> None:
        _listening.discard(engine)
        forget()
        for number, before in former.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, before)

    return restore


def _server_of(handler: Any) -> object:
    """Whose method the handler behind all of ours is; None if it is nobody's."""
    while isinstance(handler, FunctionType) and handler in _behind:
        handler = _behind[handler]
    return getattr(handler, "__self__", None)
