"""HTTP requests to README's app: ours against FastAPI's own background tasks.

Server and load generator are processes of their own. Every task must have run by the end,
or the figures count for nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Bar, Figure, compare
from benchmarks.server import KINDS
from benchmarks.serving import get, served

__all__ = ["Effort", "measure"]

CONNECTIONS = 32
GROUP = f"HTTP POST to README's app, {CONNECTIONS} connections, against stock"

# What is measured: kind of server and path.
LOADS = {
    "no task": ("durable", "/plain"),
    "one task in memory": ("memory", "/add"),
    "one task, written behind": ("behind", "/add"),
    "one durable task": ("durable", "/add"),
}
RATES = {
    "no task": Bar(limit=0.97, at_least=True),
    "one task in memory": Bar(limit=0.75, aim=0.85, at_least=True),
    "one durable task": Bar(limit=0.55, aim=0.65, at_least=True),
}
P99S = {"one task in memory": Bar(limit=1.5), "one durable task": Bar(limit=3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float


class Server:
    """One kind of server in its own process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.added = 0

    def load(self, path: str, seconds: float) -> dict[str, float]:
        """Requests per second, latencies in ms, and the server's CPU time in us per request."""
        command = [sys.executable, "-m", "benchmarks.load", str(self.port), path]
        limits = ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
        begun = self._state()["cpu_seconds"]
        done = subprocess.run([*command, *limits], check=True, capture_output=True, text=True)
        answer: dict[str, float] = json.loads(done.stdout)
        if path == "/add":
            self.added += int(answer["requests"])
        spent = self._state()["cpu_seconds"] - begun
        return answer | {"cpu": spent / answer["requests"] * 1e6}

    def check(self) -> None:
        """All tasks ran.

        Raises:
            AssertionError: some did not within 10 s.
        """
        deadline = time.monotonic() + 10
        while (ran := self._state()["ran"]) != self.added and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ran == self.added, (ran, self.added)

    def _state(self) -> dict[str, float]:
        state: dict[str, float] = json.loads(get(self.port, "/state"))
        return state


def measure(effort: Effort, folder: Path) -> list[Figure]:
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(_server(kind, folder)) for kind in KINDS}
        rounds = [_round(servers, effort.seconds) for _ in range(effort.rounds + 1)]
        del rounds[0]  # it warms up
        for server in servers.values():
            server.check()

    def figure(name: str, title: str, measured: str, unit: str, bar: Bar | None) -> Figure:
        pairs = [(ours[measured], peer[measured]) for ours, peer in (one[name] for one in rounds)]
        return compare(GROUP, title, unit, pairs, bar)

    return [
        *(figure(name, name, "rate", "req/s", RATES.get(name)) for name in LOADS),
        *(figure(name, f"p99, {name}", "p99", "ms", P99S.get(name)) for name in LOADS),
        *(figure(name, f"server CPU, {name}", "cpu", "us/req", None) for name in LOADS),
    ]


Measured = dict[str, float]


def _round(servers: dict[str, Server], seconds: float) -> dict[str, tuple[Measured, Measured]]:
    """By load, ours and stock's, one right after the other."""
    stock = servers["stock"]
    return {
        name: (servers[kind].load(path, seconds), stock.load(path, seconds))
        for name, (kind, path) in LOADS.items()
    }


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[Server]:
    with served("benchmarks.server", kind, "--db", str(folder / f"{kind}.db")) as port:
        yield Server(port)
