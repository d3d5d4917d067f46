"""Real servers: uvicorn in a process of its own, or in a thread of this one."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import uvicorn
from starlette.types import ASGIApp

from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A uvicorn process that serves ``app`` of a module's source.

    Args:
        source: The module.
        folder: Where it is written and run.
    """

    def __init__(self, source: str, folder: Path, *options: str) -> None:
        (folder / "served.py").write_text(source)
        self._log: IO[str] = (folder / "server.log").open("w+")
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "served:app", "--port", "0", *options],
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"},
        )
        self.port = int(self._await(r"running on http://[\d.]+:(\d+)"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """All that it has written."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> None:
        """Wait for its end."""
        self.process.wait(PATIENCE_SECONDS)

    def wait_for(self, pattern: str) -> str:
        """Wait until the log has the pattern; its first group, or the whole of it."""
        return self._await(pattern)

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()

    def _await(self, pattern: str, within: float = PATIENCE_SECONDS) -> str:
        deadline = time.monotonic() + within
        while True:
            if found := re.search(pattern, self.log()):
                return found[found.lastindex or 0]
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.log()}"
            time.sleep(0.02)


@contextmanager
def serving(source: str, folder: Path, *options: str) -> Iterator[Server]:
    """A server process for the time of the block."""
    server = Server(source, folder, *options)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def serving_here(app: ASGIApp) -> Iterator[int]:
    """uvicorn in a thread for the time of the block; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not server.started:
                assert thread.is_alive() and time.monotonic() < deadline  # noqa: PT018
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)
