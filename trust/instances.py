"""Servers and workers of the app under test: started, listened to, killed, frozen and thawed."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from trust.app import Config
from trust.ports import free_port
from trust.stores import is_file

__all__ = ["Instance", "freeze"]

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 30.0
# In which it writes down what its event loop waits for, unless that hangs.
_TELL_SECONDS = 2.0
_TOLD_CHARACTERS = 20_000
# As users start one.
_WORKER = ["fastapi_taskflow", "worker", "trust.served:app", "--quiet"]
# Of the environment, for `trust.served`.
VARIABLE = "TRUST_CONFIG"


def freeze(child: int, db: str) -> float:
    """SIGSTOP to a child of this process between two writes to a store; gives the wall time.

    A process that is stopped inside a write holds the store's write lock, which is an
    outage of the store and another story.
    """
    while True:
        at = time.time()
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        if not _is_written(db):
            return at
        os.kill(child, signal.SIGCONT)


def _is_written(db: str) -> bool:
    with (store_directory(db) / "write.lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Instance:
    """One server or worker, which may be started again and again on the same port.

    Args:
        config: Its ``port`` and ``notify`` are chosen here.
        log: Where the process's own output goes.
    """

    def __init__(self, config: Config, log: Path) -> None:
        self._reserved = free_port()
        self.config = replace(config, port=self._reserved.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.config.port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._unread = b""
        # Lines that came and that nobody has asked for yet.
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def spawn(self, *prefix: str, **changes: Any) -> Self:
        """Start the process; it is not ready yet.

        Args:
            prefix: A command to run it under.
            changes: Of the config, for this process only.
        """
        self._forget()
        reading, writing = os.pipe()
        config = replace(self.config, notify=writing, **changes)
        program = _WORKER if config.worker else ["trust.app", config.to_json()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", *program],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                # On SIGABRT it tells what all of its threads do.
                env={**os.environ, VARIABLE: config.to_json(), "PYTHONFAULTHANDLER": "1"},
            )
        os.close(writing)
        self._pipe = reading
        return self

    def start(self, **changes: Any) -> Self:
        """Start the process and wait until it serves."""
        self.spawn(**changes)
        self.wait_for("ready", _START_SECONDS)
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # What it says

    def said(self, line: str) -> bool:
        """It has announced this line; does not wait, and takes the line away."""
        self._read(0.0)
        if line not in self._lines:
            return False
        self._lines.remove(line)
        return True

    def wait_for(self, line: str, seconds: float = 10.0) -> None:
        """Wait until it announces this line.

        Raises:
            AssertionError: it ended, or did not say so in time.
        """
        deadline = time.monotonic() + seconds
        while not self.said(line):
            left = deadline - time.monotonic()
            assert left > 0, f"no {line!r} within {seconds:g} s\n{self.output()}"
            assert self._read(left) or line in self._lines, (
                f"it ended without {line!r}\n{self.output()}"
            )

    def output(self) -> str:
        """What the process wrote, for messages."""
        return self._log.read_text()[-_TOLD_CHARACTERS:]

    def _read(self, seconds: float) -> bool:
        """Take what is in the pipe; False at its end."""
        while select.select([self._pipe], [], [], seconds)[0]:
            data = os.read(self._pipe, 65536)
            if not data:
                return False
            *lines, self._unread = (self._unread + data).split(b"\n")
            self._lines += [line.decode() for line in lines]
            seconds = 0.0
        return True

    # What is done to it

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> float:
        """SIGKILL, and wait until it is gone; gives the wall time of the kill."""
        at = time.time()
        self.process.kill()
        self.process.wait()
        return at

    def abort(self) -> str:
        """SIGABRT; gives what its event loop and its threads were at, as far as they run Python."""
        self.send(signal.SIGQUIT)
        time.sleep(_TELL_SECONDS)
        self.send(signal.SIGABRT)
        self.process.wait()
        return self.output()

    def release(self) -> None:
        """Let held tasks end."""
        self.send(signal.SIGUSR1)

    def open_gate(self) -> None:
        """Let what stands at the gate go on."""
        self.send(signal.SIGUSR2)

    def freeze(self) -> float:
        """SIGSTOP, to a file's user between two writes; gives the wall time.

        A server ends the transactions of who is stopped in one.
        """
        if is_file(self.config.db):
            return freeze(self.pid, self.config.db)
        at = time.time()
        self.send(signal.SIGSTOP)
        return at

    def thaw(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def end(self, seconds: float) -> float:
        """Wait for the process's end; gives the seconds it took.

        Raises:
            AssertionError: it still runs.
        """
        begun = time.monotonic()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds:g} s\n{self.output()}") from None
        return time.monotonic() - begun

    def terminate(self, seconds: float) -> float:
        """SIGTERM and `end`."""
        self.send(signal.SIGTERM)
        return self.end(seconds)

    def close(self) -> None:
        """Kill what runs and let go of the port."""
        if self.alive:
            self.kill()
        self._forget()
        self._reserved.close()

    def _forget(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1
        self._unread = b""
        self._lines.clear()
