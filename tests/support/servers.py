"""Real servers: uvicorn in a process of its own, or in a thread of this one."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import uvicorn
from starlette.types import ASGIApp

from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A process that serves ``app`` of a module's source; it leads a process group.

    Args:
        source: The module.
        folder: Where it is written and run, and the home of its user.
        options: Of the program.
        program: A Python module and what it is told before its options.
    """

    def __init__(
        self,
        source: str,
        folder: Path,
        *options: str,
        program: Sequence[str] = ("uvicorn", "served:app", "--port", "0"),
    ) -> None:
        (folder / "served.py").write_text(source)
        self._log: IO[str] = (folder / "server.log").open("w+")
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program, *options],
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "HOME": str(folder),
                "PYTHONPATH": os.pathsep.join(path),
                "PYTHONUNBUFFERED": "1",
            },
            start_new_session=True,
        )
        self.port = int(self._await(r"(?:running on|Listening at:) http://[\d.]+:(\d+)"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """All that it has written."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def terminate(self) -> None:
        """What a service manager does: SIGTERM to the first process."""
        self.send(signal.SIGTERM)

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> None:
        """Wait for its end."""
        self.process.wait(PATIENCE_SECONDS)

    def wait_for(self, pattern: str) -> str:
        """Wait until the log has the pattern; its first group, or the whole of it."""
        return self._await(pattern)

    def close(self) -> None:
        """Kill what still runs of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
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
def serving(source: str, folder: Path, *options: str, **more: Any) -> Iterator[Server]:
    """A server process for the time of the block; as `Server` is made."""
    server = Server(source, folder, *options, **more)
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
