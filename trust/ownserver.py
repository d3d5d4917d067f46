"""A database server of the harness's own, in a directory of its own.

Both are gone with whoever started it, also if that is killed: a shell waits for its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from trust.ports import quiet_port

__all__ = ["OwnServer", "keeper"]

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_PROCESS = "process"

# Its input ends when nobody is left who holds the other end. What may still run then is killed,
# and given ten seconds to be gone.
_KEEPER = f"""
cat
if read -r number < "$1/{_PROCESS}"; then
    kill -s "$2" "$number" && for _ in $(seq 100); do
        kill -0 "$number" || break
        sleep 0.1
    done
fi 2> /dev/null
rm -rf "$1"
"""


class OwnServer(ABC):
    """A server process, and what it keeps.

    Args:
        folder: A new one, for all of it.
        options: Of its command line, beside those that it needs.
    """

    user = ""
    """Whom it runs as if we are root."""

    crash: ClassVar[signal.Signals] = signal.SIGKILL
    """How it is told to drop everything."""

    end: ClassVar[signal.Signals] = signal.SIGTERM
    """How it is told to end, whoever is connected."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = quiet_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self._is_another:
            shutil.chown(self.folder, self.user, self.user)
        self.make()

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address, with a database that is there."""

    @abstractmethod
    def make(self) -> None:
        """Make what it keeps its data in."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it."""

    @abstractmethod
    def answers(self) -> bool:
        """It can be asked something."""

    def start(self) -> Self:
        """Start it unless it runs, and wait until it answers."""
        if not self.runs:
            with (self.folder / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*self._as_user(self.command()), *self.options],
                    stdout=log,
                    stderr=log,
                    env=self._surroundings(),
                )
            (self.folder / _PROCESS).write_text(f"{self._process.pid}\n")
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            assert self.runs, f"it ended\n{self.output()}"
            assert time.monotonic() < deadline, f"it does not answer\n{self.output()}"
            time.sleep(_LOOK_SECONDS)
        return self

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, number: signal.Signals | None = None) -> None:
        """Crash it, or end it by a signal, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.crash if number is None else number)
            process.wait()
            (self.folder / _PROCESS).unlink()

    def output(self) -> str:
        """What it wrote last, for messages."""
        return (self.folder / "server.log").read_text(errors="replace")[-4000:]

    @property
    def _is_another(self) -> bool:
        return bool(self.user) and os.geteuid() == 0

    def _as_user(self, command: Sequence[str]) -> list[str]:
        who = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [*who, *command] if self._is_another else [*command]

    def _surroundings(self) -> dict[str, str]:
        # Where its user may write.
        return {**os.environ, "TMPDIR": str(self.folder)}

    def run(self, *command: str) -> None:
        """A command of the server's user."""
        done = subprocess.run(
            self._as_user(command),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self._surroundings(),
        )
        assert done.returncode == 0, done.stdout + done.stderr


def keeper(folder: Path, crash: signal.Signals) -> subprocess.Popen[bytes]:
    """Who clears a server's folder away when its input is closed, or its parent dies."""
    name = crash.name.removeprefix("SIG")
    # In a session of its own: an interrupt from a terminal is for its parent.
    return subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "sh", str(folder), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
