"""A server that stops without a signal tells the engine, too.

uvicorn ends by itself after ``--limit-max-requests`` (gunicorn's ``--max-requests``), or when
`should_exit` is set. It then serves nobody, and waits for background tasks without an end:
the lifespan's shutdown comes after them. Nothing tells an app of that but the server's own
attributes. Who has none of these names is never taken for stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["watch"]

_LOOK_SECONDS = 1.0


def watch(engine: Engine, server: object | None) -> Callable[[], None]:
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
