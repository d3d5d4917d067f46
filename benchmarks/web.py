"""An HTTP POST that adds one task: ours against FastAPI's own background tasks.

Server and load generator are processes of their own. Every task must have run by the end,
or the figures count for nothing.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Bar, Figure, compare
from benchmarks.server import KINDS

__all__ = ["Effort", "measure"]

CONNECTIONS = 32
GROUP = f"HTTP POST that adds a task, {CONNECTIONS} connections, against stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float


class Server:
    """One kind of server in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.requests = 0

    def load(self, seconds: float) -> dict[str, float]:
        """Requests per second, latencies in ms, and the server's CPU time in us per request."""
        command = [sys.executable, "-m", "benchmarks.load", str(self.port), "/add"]
        limits = ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
        begun = self._state()["cpu_seconds"]
        done = subprocess.run([*command, *limits], check=True, capture_output=True, text=True)
        answer: dict[str, float] = json.loads(done.stdout)
        self.requests += int(answer["requests"])
        spent = self._state()["cpu_seconds"] - begun
        return answer | {"cpu": spent / answer["requests"] * 1e6}

    def check(self) -> None:
        """All tasks ran.

        Raises:
            AssertionError: some did not within 10 s.
        """
        deadline = time.monotonic() + 10
        while (ran := self._state()["ran"]) != self.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ran == self.requests, (ran, self.requests)

    def _state(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/state") as answer:
            state: dict[str, float] = json.loads(answer.read())
            return state


def measure(effort: Effort, folder: Path) -> list[Figure]:
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(_server(kind, folder)) for kind in KINDS}
        rounds = [
            {kind: server.load(effort.seconds) for kind, server in servers.items()}
            for _ in range(effort.rounds + 1)
        ][1:]  # the first one warms up
        for server in servers.values():
            server.check()

    def figure(name: str, kind: str, measured: str, unit: str, bar: Bar | None) -> Figure:
        pairs = [(one[kind][measured], one["stock"][measured]) for one in rounds]
        return compare(GROUP, name, unit, pairs, bar)

    at_least = {
        "memory": Bar(limit=0.70, aim=0.85, at_least=True),
        "durable": Bar(limit=0.45, aim=0.60, at_least=True),
    }
    return [
        figure("in memory", "memory", "rate", "req/s", at_least["memory"]),
        figure("durable", "durable", "rate", "req/s", at_least["durable"]),
        figure("p99, in memory", "memory", "p99", "ms", Bar(limit=2)),
        figure("p99, durable", "durable", "p99", "ms", Bar(limit=4)),
        figure("server CPU, in memory", "memory", "cpu", "us/req", None),
        figure("server CPU, durable", "durable", "cpu", "us/req", None),
    ]


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.server", kind, "--db", str(folder / "web.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
