"""One child process, as its parent has it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from threading import Lock

from fastapi_taskflow.executors.process import starter, wire

__all__ = ["Child"]

# Before anything that takes time: who dies with its parent is settled first. A parent that
# was gone by then is seen by its number; 1 is a parent like others (an app in a container).
_PRELUDE = """
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
if os.getppid() != {parent}:
    os._exit(1)
sys.path[:] = {path!r}
from fastapi_taskflow.executors.process.child import main
main({calls}, {orders}, {level})
"""


class Child:
    """Started when it is made. `receive` and `bury` are for one thread, the rest for any.

    It leads a process group of its own: Ctrl-C in a terminal does not reach it, and what it
    has started is killed with it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        here, there = socket.socketpair()
        orders, self._orders = os.pipe()
        os.set_blocking(self._orders, False)
        # Protects _orders and _buried: a number may be somebody else's afterwards.
        self._lock = Lock()
        self._buried = False
        try:
            self._process = starter.start(lambda: _started(there.fileno(), orders))
        except BaseException:
            here.close()
            os.close(self._orders)
            raise
        finally:
            there.close()
            os.close(orders)
        self._channel = wire.Channel(here)
        self.pid = self._process.pid
        self.send, self.receive = self._channel.send, self._channel.receive

    def has_ended(self) -> bool:
        """It is to be buried."""
        return not self._wait(os.WNOHANG)

    def order(self, order: bytes) -> None:
        """Say one byte of `orders`; never waits, and nobody needs to listen."""
        with self._lock:
            if not self._buried:
                with suppress(OSError):
                    os.write(self._orders, order)

    def kill(self) -> None:
        """End it and what it has started, now."""
        with self._lock:
            if not self._buried:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Let it end by itself."""
        self._channel.end()

    def bury(self) -> str:
        """Wait for its end; how it ended, as part of a sentence. Once."""
        self._wait()
        with self._lock:
            self._buried = True
            code = self._process.wait()
            os.close(self._orders)
        self._channel.close()
        if code >= 0:
            return f"its process ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "a signal"
        return f"its process was killed by {name} (signal {-code})"

    def _wait(self, options: int = 0) -> bool:
        """Wait for its end, in a way that leaves it its number; False: it has ended."""
        if not hasattr(os, "waitid"):
            return (self._process.poll() if options else self._process.wait()) is None
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | options)
        except ChildProcessError:  # somebody else in this process waited for it
            return False
        return found is None


def _started(calls: int, orders: int) -> subprocess.Popen[bytes]:
    level = logging.getLogger().getEffectiveLevel()
    source = _PRELUDE.format(
        parent=os.getpid(), path=sys.path, calls=calls, orders=orders, level=level
    )
    return subprocess.Popen(  # noqa: S603  (ourselves)
        [sys.executable, "-P", "-c", source],
        stdin=subprocess.DEVNULL,
        pass_fds=(calls, orders),
        start_new_session=True,
    )
