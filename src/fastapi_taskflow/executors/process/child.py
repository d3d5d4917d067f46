"""The main loop of a child: calls in, lines and ends out."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from fastapi_taskflow.executors.base import Told
from fastapi_taskflow.executors.local import LocalRun, carry_out, nobody
from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.orders import Ordered, Orders
from fastapi_taskflow.rules.context import LEVELS
from fastapi_taskflow.rules.ends import Raised, Returned, failure
from fastapi_taskflow.words.plain import name_of

__all__ = ["main"]


def main(calls: int, orders: int, level: int) -> None:
    """Serve the parent until it wants no more.

    Args:
        calls, orders: File descriptors, of a socket and of a pipe.
        level: Of the parent's root logger.
    """
    end = socket.socket(fileno=calls)
    for mine in (calls, orders):
        os.set_inheritable(mine, False)
    # Held back meanwhile: a signal for the new process must not be taken for one of ours.
    os.register_at_fork(
        before=lambda: _mask(signal.SIG_BLOCK),
        after_in_parent=lambda: _mask(signal.SIG_UNBLOCK),
        after_in_child=lambda: _let_go(calls, orders),
    )
    server = _Server(wire.Channel(end), Orders(orders))
    logging.getLogger().setLevel(level)
    server.send(wire.READY)
    with suppress(EOFError, BrokenPipeError):
        while True:
            _, data = server.channel.receive()
            server.serve(data)


def _let_go(calls: int, orders: int) -> None:
    """In a process that a function forks: it is no child of the pool.

    It must not hide from the parent that this one died, and may be ended by whoever made it.
    """
    os.close(calls)
    os.close(orders)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _mask(signal.SIG_UNBLOCK)


def _mask(how: int) -> None:
    signal.pthread_sigmask(how, (signal.SIGTERM, signal.SIGINT))


class _Server:
    def __init__(self, channel: wire.Channel, orders: Orders) -> None:
        self.channel = channel
        self.orders = orders
        self._logging = _Forward(orders)

    def send(self, kind: int, data: bytes = b"") -> None:
        # Half a frame could not be told from the next one.
        with self.orders.shielded():
            self.channel.send(kind, data)

    def serve(self, data: bytes) -> None:
        """Run one call, and tell how it ended."""
        self.send(wire.BEGUN)
        lines = _Lines(self)
        told = self._perform(data, lines)
        kind, sent = self._packed(told, lines)
        lines.close()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or none
                stream.flush()
        self.send(kind, sent)

    def _perform(self, data: bytes, lines: _Lines) -> Told:
        # What configures logging takes other handlers away.
        root = logging.getLogger()
        try:
            with self.orders.obeyed():
                if self._logging not in root.handlers:
                    root.addHandler(self._logging)
                call = wire.unpack_call(data)
                if self._logging not in root.handlers:
                    root.addHandler(self._logging)
                run = LocalRun(call, nobody, lines.log, self.orders)
                self.orders.run = run
                return carry_out(run)
        # Whatever its import or its arguments raise is the task's failure.
        except BaseException as exc:
            return Raised(exc)

    def _packed(self, told: Told, lines: _Lines) -> tuple[int, bytes]:
        if isinstance(told, Raised):
            if isinstance(told.error, Ordered):
                return wire.STOPPED, b""
            return wire.RAISED, wire.pack_error(failure(told.error))
        value = told.value if isinstance(told, Returned) else None
        try:
            return wire.RETURNED, pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        # Of a class of the user's own: the work is done, whatever becomes of its value.
        except Exception as exc:
            what, why = name_of(type(value)), name_of(type(exc))
            text = f"What it returned ({what}) cannot leave its process: {why}"
            lines.log(text, "warning", {})
            return wire.RETURNED, pickle.dumps(None)


class _Lines:
    """The log of one run; what threads say after its end is for nobody."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        # Protects _open, so that no line comes after the end.
        self._lock = threading.RLock()
        self._open = True

    def log(self, message: str, level: str, extra: dict[str, Any]) -> None:
        sent = wire.pack_line(message, level, extra)
        with self._server.orders.shielded(), self._lock:
            if self._open:
                self._server.channel.send(wire.LINE, sent)

    def close(self) -> None:
        with self._lock:
            self._open = False


class _Forward(logging.Handler):
    """Lines of `logging` become lines of the task that runs."""

    def __init__(self, orders: Orders) -> None:
        super().__init__()
        self._orders = orders

    def emit(self, record: logging.LogRecord) -> None:
        run = self._orders.run
        if run is None:
            return
        try:
            levels = [name for name, least in LEVELS.items() if least <= record.levelno]
            run.log(self.format(record), levels[-1] if levels else "debug", {"logger": record.name})
        # As handlers do: a line must not fail its task.
        except Exception:
            self.handleError(record)
