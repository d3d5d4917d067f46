"""A plain route while children burn CPU: `python -m benchmarks.burning`.

A server whose child processes are idle in one half of each round, and compute in the other, while
2,000 tasks wait for them. One client asks for a plain route, again a few milliseconds after
each answer, and takes the time until it is there. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import socket
import time
from statistics import median

from fastapi import FastAPI

from benchmarks.figures import percentile
from benchmarks.serving import listen, served
from benchmarks.work import burns
from fastapi_taskflow import TaskManager

__all__: list[str] = []

WAITING = 2_000
_PAUSE_SECONDS = 0.004


def make_app(children: int, niceness: int) -> FastAPI:
    manager = TaskManager(max_process_workers=children, process_niceness=niceness)
    manager.task(executor="process")(burns)
    app = FastAPI()
    manager.init_app(app)

    @app.get("/plain")
    async def plain() -> dict[str, bool]:
        return {"plain": True}

    @app.get("/burn")
    async def burn(seconds: float) -> dict[str, int]:
        """Keep the children busy for so long; answers when they are idle."""
        added = [(await manager.enqueue(burns, seconds)).task_id for _ in range(children)]
        waiting = [(await manager.enqueue(burns, 0.0)).task_id for _ in range(WAITING)]
        for task_id in (*added, *waiting):
            await manager.result(task_id)
        return {"ended": len(added) + len(waiting)}

    return app


class Client:
    """One connection; asks for one thing at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str) -> None:
        self.send(path)
        self.hear()

    def send(self, path: str) -> None:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())

    def hear(self) -> None:
        answer = b""
        while not answer.endswith(b"}"):
            answer += self._socket.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def latencies(self, seconds: float) -> list[float]:
        """In ms, of requests over so long."""
        found: list[float] = []
        until = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < until:
            self.ask("/plain")
            found.append((time.perf_counter() - begun) * 1e3)
            time.sleep(_PAUSE_SECONDS)
        return found


def measured(children: int, niceness: int, rounds: int, seconds: float) -> dict[str, float]:
    """Medians over the rounds, in ms; the ratio is the median of the rounds' ratios."""
    found: list[tuple[float, float, float, float]] = []
    limits = ["--children", str(children), "--niceness", str(niceness)]
    with served("benchmarks.burning", "--serve", *limits) as port:
        client, other = Client(port), Client(port)
        client.ask("/burn?seconds=0.5")  # starts the children
        for _ in range(rounds):
            idle = client.latencies(seconds)
            other.send(f"/burn?seconds={2 * seconds}")
            time.sleep(seconds / 2)  # until all have been added
            busy = client.latencies(seconds)
            other.hear()
            figures = (percentile(each, share) for share in (0.5, 0.99) for each in (idle, busy))
            found.append(tuple(figures))  # type: ignore[arg-type]
    columns = list(zip(*found, strict=True))
    names = "p50_idle", "p50_burning", "p99_idle", "p99_burning"
    ratio = median(burning / idle for _, _, idle, burning in found)
    return {name: round(median(column), 2) for name, column in zip(names, columns, strict=True)} | {
        "p99_ratio": round(ratio, 2)
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burning", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--children", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--niceness", type=int, nargs="+", default=[0, 10, 15])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(listen(make_app(given.children[0], given.niceness[0])))
        return
    for children, niceness in itertools.product(given.children, given.niceness):
        figures = measured(children, niceness, given.rounds, given.seconds)
        print(json.dumps({"children": children, "niceness": niceness, **figures}), flush=True)


if __name__ == "__main__":
    main()
