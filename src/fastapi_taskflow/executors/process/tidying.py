"""In a child: what a function leaves behind, and the next one would stumble over."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from fastapi_taskflow.executors.process.rawsignals import getsignal, pthread_sigmask

__all__ = ["Surroundings"]

# A program that is ignored them, or one that has died of them, is not what others expect.
_SIGNALS = (signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE)
_STREAMS = (0, 1, 2)


class Surroundings:
    """As a function finds them. For the main thread.

    What modules set when they are imported is the app's own, and stays.
    """

    def __init__(self) -> None:
        # Imported when this was looked at.
        self._modules = 0
        self.look()

    def look(self) -> bool:
        """Before a function runs; False: nothing was imported since."""
        if self._modules == len(sys.modules):
            return False
        self._modules = len(sys.modules)
        self._place = _place()
        self._mask = os.umask(0o077)
        os.umask(self._mask)
        self._handlers = [getsignal(number) for number in _SIGNALS]
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._streams = _streams()
        return True

    def restore(self) -> bool:
        """After it; False: its process is of no use to others, since files have other numbers."""
        os.umask(self._mask)
        if self._place is not None and _place() != self._place:
            with suppress(OSError):
                os.chdir(self._place)
        # An alarm would end the next function.
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if handler is not None and getsignal(number) is not handler:
                signal.signal(number, handler)
        pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        return _streams() == self._streams


def _place() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  (after each call: this is cheaper)
    except OSError:  # it was deleted
        return None


def _streams() -> list[object]:
    """What the standard streams are, as files and for Python."""
    found: list[object] = []
    for number in _STREAMS:
        try:
            about = os.fstat(number)
        except OSError:  # closed
            found.append(None)
        else:
            found.append((about.st_dev, about.st_ino))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        found += (stream, getattr(stream, "closed", None))
    return found
