"""The main loop of a child: calls in, lines and ends out."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from threading import Thread, active_count, current_thread, main_thread
from threading import enumerate as enumerate_threads
from typing import Any

from fastapi_taskflow.executors.base import Told
from fastapi_taskflow.executors.forward import Forward
from fastapi_taskflow.executors.local import LocalRun, carry_out, nobody
from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.channel import Channel
from fastapi_taskflow.executors.process.memory import Room, explained, limited
from fastapi_taskflow.executors.process.orders import Ordered, Orders
from fastapi_taskflow.executors.process.page import Page
from fastapi_taskflow.executors.process.tidying import Surroundings
from fastapi_taskflow.executors.sending import calls, ends
from fastapi_taskflow.executors.throttle import Throttle
from fastapi_taskflow.rules import programs
from fastapi_taskflow.rules.context import current_run
from fastapi_taskflow.rules.ends import Raised
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.said import Said

__all__ = ["main"]

# The main one, and that of `Orders`.
_OWN_THREADS = 2


def main(
    level: int,
    program: tuple[Any, ...] | None,
    calls: int,
    answers: int,
    orders: int,
    page: int,
) -> None:
    """Serve the parent until it wants no more.

    Args:
        level: Of the parent's root logger.
        program: The parent's, as `programs.shared` gave it.
        calls, answers, orders: Ends of pipes.
        page: What `Page` is given.
    """
    programs.stand_in(program)
    pipes = calls, answers, orders
    for end in pipes:
        os.set_inheritable(end, False)
    # Held back meanwhile: a signal for the new process must not be taken for one of ours.
    os.register_at_fork(
        before=lambda: _mask(signal.SIG_BLOCK),
        after_in_parent=lambda: _mask(signal.SIG_UNBLOCK),
        after_in_child=lambda: _let_go(pipes),
    )
    server = _Server(Channel(calls, answers), Orders(orders), Page(page))
    os.close(page)
    logging.getLogger().setLevel(level)
    server.send(wire.READY)
    with suppress(EOFError, BrokenPipeError):
        while True:
            kind, data = server.channel.receive()
            if kind == wire.LOAD:
                _load(data.decode().splitlines())
                server.send(wire.READY)
            else:
                server.serve(data)


def _load(modules: list[str]) -> None:
    """Import ahead, so that no call waits for it. What cannot be imported fails its call."""
    for name in modules:
        with suppress(BaseException):
            import_module(name)


def _let_go(pipes: tuple[int, ...]) -> None:
    """In a process that a function forks: it is no child of the pool.

    It must not hide from the parent that this one died, and may be ended by whoever made it.
    """
    for end in pipes:
        os.close(end)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _mask(signal.SIG_UNBLOCK)


def _mask(how: int) -> None:
    signal.pthread_sigmask(how, (signal.SIGTERM, signal.SIGINT))


class _Full(BaseException):
    """Another child is to run the call."""


class _Server:
    def __init__(self, channel: Channel, orders: Orders, page: Page) -> None:
        self.channel = channel
        self._page = page
        self.orders = orders
        self._logging = Forward(self._whose)
        # Threads that earlier functions have left behind.
        self._left: frozenset[Thread] = frozenset()
        self._room = Room()
        self._surroundings = Surroundings()

    def send(self, kind: int, data: bytes = b"") -> None:
        # Half a frame could not be told from the next one.
        with self.orders.shielded:
            self.channel.send(kind, data)

    def serve(self, data: bytes) -> None:
        """Run one call, and tell how it ended."""
        self._page.mark()
        telling = _Telling(self)
        told = self._perform(data, telling)
        kind, sent = _packed(told)
        telling.close()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or none
                stream.flush()
        self.orders.hear()
        if not self._surroundings.restore():
            self.send(wire.LEAVES)
        self.send(kind, sent)

    def _perform(self, data: bytes, telling: _Telling) -> Told:
        try:
            with self.orders.obeyed:
                call = calls.unpack_call(data)
                # The import may have taken it away.
                self._logging.attach()
                limit = call.memory_limit
                self._admit(limit)
                if self._surroundings.look():  # imports may set handlers
                    self.orders.hear()
                self._left = _threads_left()
                run = LocalRun(call, nobody, telling.say, self.orders)
                self.orders.run = run
                if limit is None:
                    return carry_out(run)
                with limited(limit):
                    told = carry_out(run)
                return explained(told, limit)
        # Whatever its import or its arguments raise is the task's failure.
        except BaseException as exc:
            return Raised(exc)
        finally:
            self.orders.run = None

    def _whose(self) -> LocalRun | None:
        """The run that a line of this thread is for; threads have no context of their own."""
        run = current_run()
        if isinstance(run, LocalRun):
            return run
        return None if current_thread() in self._left else self.orders.run

    def _admit(self, limit: int | None) -> None:
        if self._room.is_scarce(limit):
            raise _Full
        if limit is not None:
            self.send(wire.CALLED)


def _threads_left() -> frozenset[Thread]:
    if active_count() <= _OWN_THREADS:
        return frozenset()
    return frozenset(enumerate_threads()) - {main_thread()}


def _packed(told: Told) -> tuple[int, bytes]:
    if isinstance(told, Raised):
        if is_a(told.error, Ordered):
            return wire.STOPPED, b""
        if is_a(told.error, _Full):
            return wire.FULL, b""
    return ends.pack(told)


class _Telling:
    """What one run tells; what threads say after its end is for nobody."""

    def __init__(self, server: _Server) -> None:
        self._orders = server.orders
        channel = server.channel
        self._throttle = Throttle(lambda said: channel.send(wire.SAID, calls.pack_said(said)))

    def say(self, said: Said) -> None:
        # As a whole: an order must not come while a lock is held.
        with self._orders.shielded:
            self._throttle.say(said)

    def close(self) -> None:
        with self._orders.shielded:
            self._throttle.close()
