"""Serves the shop with uvicorn, which the library itself does not need."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

__all__ = ["HOST", "bound", "serve"]

HOST = "127.0.0.1"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def bound(port: int) -> socket.socket:
    """A listening socket; port 0: any that is free.

    Raises:
        OSError: the port is taken, or not allowed.
    """
    # With its protocol named, asyncio knows it for TCP and turns Nagle's algorithm off.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    app: FastAPI,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    on_stop: Callable[[], None],
) -> bool:
    """Serve until SIGINT or SIGTERM, then shut down; False if the app could not start."""
    # uvicorn raises the signal once more after its shutdown: there is more to be done here.
    former = {number: signal.signal(number, _stopped) for number in _SIGNALS}
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False), on_ready, on_stop)
    try:
        with suppress(SystemExit):  # an app that cannot start: it has logged why
            server.run(sockets=[listener])
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return server.started


def _stopped(_number: int, _frame: FrameType | None) -> None:
    pass


class _Server(uvicorn.Server):
    """Says when it answers, and when it stops."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)
