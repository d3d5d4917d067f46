"""Forked children: a copy of this process must not go on as if it were this process.

It has copies of the server's sockets, of the engine and of a pool's thread, and none of the
other threads. A child that a task forks may do its own work and end, or become another
program; where it comes back out of the task's function, it ends here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from contextlib import suppress
from typing import NoReturn

__all__ = ["end_if_forked", "generation", "guard"]

_forks = 0
_guarded: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


class _Forking(threading.local):
    """The event loop on whose thread a fork is about to happen."""

    loop: asyncio.AbstractEventLoop | None = None


_forking = _Forking()


def generation() -> int:
    """How many forks lie between this process and the one that imported the library."""
    return _forks


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """End children that are forked on this event loop's thread and go back to the loop.

    They share what it waits on with their parent, and would take its events away.
    """
    _guarded.add(loop)


def end_if_forked(since: int, error: BaseException | None = None) -> None:
    """End this process at once if it was forked since `generation` was ``since``.

    Nothing is cleaned up: locks, files and connections are the parent's. The exit code is
    that of a program that ends like this.
    """
    if since != _forks:
        _end(error)


def _end(error: BaseException | None = None) -> NoReturn:
    code = 0
    try:
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = (error.code or 0) & 0xFF
        elif error is not None:
            code = 1
            sys.excepthook(type(error), error, error.__traceback__)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or none
                stream.flush()
    finally:
        os._exit(code)


def _before() -> None:
    with suppress(RuntimeError):  # no loop runs here
        _forking.loop = asyncio.get_running_loop()


def _in_parent() -> None:
    _forking.loop = None


def _in_child() -> None:
    global _forks  # noqa: PLW0603  (it counts for the process, as forks do)
    _forks += 1
    loop, _forking.loop = _forking.loop, None
    if loop is not None and loop in _guarded:
        loop.call_soon(_end)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
