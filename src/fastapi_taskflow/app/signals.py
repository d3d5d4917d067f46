"""SIGTERM and SIGINT start the drain at once.

A server runs its lifespan's shutdown only after attached background tasks and open
streams have ended; the drain clock must not wait for that. Handlers that were there stay
and are called after ours. A second signal makes the drain's deadline now. A server whose
handler that is may also stop without a signal, so it is looked at.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.control import Control

__all__ = ["stand_in_front"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# uvicorn ends by itself after `--limit-max-requests` (gunicorn's `--max-requests`), or when
# `should_exit` is set. It then serves nobody, and waits for background tasks without an end:
# the lifespan's shutdown comes after them. Nothing tells an app of that but the server's own
# attributes. Who has none of these names is never taken for stopped.
_LOOK_SECONDS = 1.0

# Engines that hear the signals. With one manager on two apps a single signal must not
# count as two.
_listening: WeakSet[Engine] = WeakSet()

# By our handler, the one that was there before; one manager's may stand before another's.
_behind: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def stand_in_front(task_manager: Control) -> Callable[[], None]:
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
    forget = _watch(engine, _server_of(handle))

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


def _watch(engine: Engine, server: object | None) -> Callable[[], None]:
    """Begin the engine's drain about a second after the server stopped; gives an end of it."""
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal timer
        if engine.draining:
            return
        if _has_stopped(server):
            engine.begin_drain()
        else:
            timer = engine.loop.call_later(_LOOK_SECONDS, look)

    def end() -> None:
        if timer is not None:
            timer.cancel()

    if server is not None:
        look()
    return end


def _has_stopped(server: object) -> bool:
    try:
        if getattr(server, "should_exit", False) is True:
            return True
        listeners = list(getattr(server, "servers", ()))
        return bool(listeners) and not any(one.is_serving() for one in listeners)
    # It is somebody else's object, and may be of any kind.
    except Exception:
        return False
