"""One child process, as its parent has it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from fastapi_taskflow.executors.process import reaper, starter
from fastapi_taskflow.executors.process.channel import Channel
from fastapi_taskflow.executors.process.page import Page, new_file
from fastapi_taskflow.rules import programs

__all__ = ["Child"]

# Before anything that takes time: who dies with its parent is settled first. A parent that
# was gone by then is seen by its number; 1 is a parent like others (an app in a container).
_PRELUDE = """
import os, sys
if {kernel}:
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
if os.getppid() != {parent}:
    os._exit(1)
os.nice({niceness})
sys.path[:] = {path!r}
from fastapi_taskflow.executors.process.child import main
main({level}, {program!r}, {ends})
"""


_STEP_SECONDS = 0.002
# A system that is busy may take a while.
_MOMENTS_SECONDS = 1.0
_CAN_LEAVE_IT = hasattr(os, "waitid")


class Child:
    """Started when it is made. For any thread; who has it receives, asks and buries.

    It leads a process group of its own: Ctrl-C in a terminal does not reach it, and what it
    has started is killed with it.

    Args:
        niceness: Above that of this process.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, niceness: int) -> None:
        if programs.is_child():
            raise RuntimeError("A task in a child process starts no tasks in children of its own")
        calls, orders, answers = pipes = _pipes(3)
        theirs = [calls.reads, answers.writes, orders.reads]
        # Protects _orders and _buried: a number may be somebody else's afterwards.
        self._lock = Lock()
        self._buried = False
        self._orders = orders.writes
        os.set_blocking(self._orders, False)
        # Of the pool: calls that it was taken for; it is not ready for calls yet; another one is
        # to take its place; it is not to be kept.
        self.calls = 0
        self.comes = self.replaced = self.leaves = False
        try:
            theirs.append(new_file())
            self._page = Page(theirs[-1])
            self._process = starter.start(lambda: _started(niceness, theirs))
        except BaseException:
            for end in {end for pipe in pipes for end in pipe}.difference(theirs):
                os.close(end)
            raise
        finally:
            for end in theirs:
                os.close(end)
        self._channel = Channel(answers.reads, calls.writes)
        self.pid = self._process.pid
        self.send, self.receive = self._channel.send, self._channel.receive
        self.ready, self.fileno = self._channel.ready, self._channel.fileno
        try:
            reaper.watch(self.pid)
        except BaseException:
            self.kill()
            self.bury()
            raise

    def has_ended(self) -> bool:
        """It is to be buried."""
        return not self._wait(os.WNOHANG)

    def is_cut(self) -> bool:
        """It lives, though its pipes are closed: who dies is gone within moments of that."""
        until = time.monotonic() + _MOMENTS_SECONDS
        while not (ended := self.has_ended()) and time.monotonic() < until:
            time.sleep(_STEP_SECONDS)
        return not ended

    def order(self, order: bytes) -> None:
        """Say one byte of `orders`; never waits, and nobody needs to listen."""
        with self._lock:
            if not self._buried:
                with suppress(OSError):
                    os.write(self._orders, order)

    def has_begun(self) -> bool:
        """It has begun with something since this was last asked; ask once for each call."""
        return self._page.turn()

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
            reaper.forget(self.pid)
            code = self._process.wait()
            os.close(self._orders)
        self._page.close()
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
        if not _CAN_LEAVE_IT:
            return (self._process.poll() if options else self._process.wait()) is None
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | options)
        except ChildProcessError:  # somebody else in this process waited for it
            return False
        return found is None


def _started(niceness: int, ends: list[int]) -> subprocess.Popen[bytes]:
    level = logging.getLogger().getEffectiveLevel()
    source = _PRELUDE.format(
        parent=os.getpid(),
        path=sys.path,
        level=level,
        program=programs.shared(),
        kernel=not reaper.NEEDED,
        niceness=niceness,
        ends=", ".join(map(str, ends)),
    )
    return subprocess.Popen(  # noqa: S603  (ourselves)
        [sys.executable, "-P", "-c", source],
        stdin=subprocess.DEVNULL,
        pass_fds=ends,
        # Not a session: Linux would schedule each as a program of its own (autogroup), and let
        # others have the core at each hand-over between a child and its parent.
        process_group=0,
    )


class _Pipe(NamedTuple):
    reads: int
    writes: int


def _pipes(count: int) -> list[_Pipe]:
    pipes: list[_Pipe] = []
    try:
        while len(pipes) < count:
            pipes.append(_Pipe(*os.pipe()))
    except OSError:  # there are too many files
        for end in (end for pipe in pipes for end in pipe):
            os.close(end)
        raise
    return pipes
