"""Load on one URL over keep-alive connections: `python -m benchmarks.load PORT PATH`.

A bare protocol that only finds the end of each response: a few microseconds a request, so
that the server is what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from asyncio import BaseTransport, Protocol, WriteTransport
from time import perf_counter
from typing import cast

from benchmarks.figures import percentile

__all__: list[str] = []


class Connection(Protocol):
    """Sends the next request when a response is complete, until the deadline."""

    def __init__(self, request: bytes, deadline: float) -> None:
        self._request = request
        self._deadline = deadline
        self._received = b""
        self._begun = 0.0
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = cast("WriteTransport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._complete():
            return
        now = perf_counter()
        if not self._received.startswith(b"HTTP/1.1 200 "):
            self._end(RuntimeError(self._received.decode(errors="replace")))
            return
        self.latencies.append(now - self._begun)
        self._received = b""
        if now < self._deadline:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server closed the connection"))

    def _send(self) -> None:
        self._begun = perf_counter()
        self._transport.write(self._request)

    def _complete(self) -> bool:
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return False
        at = self._received.find(b"content-length: ") + 16
        length = int(self._received[at : self._received.index(b"\r\n", at)])
        return len(self._received) >= head + 4 + length

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


async def load(port: int, path: str, connections: int, seconds: float) -> dict[str, float]:
    """Requests per second, and latencies in ms."""
    request = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    begun = perf_counter()
    opened: list[Connection] = []
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: Connection(request, begun + seconds), "127.0.0.1", port
        )
        opened.append(connection)
    await asyncio.gather(*(connection.done for connection in opened))
    taken = perf_counter() - begun
    latencies = [one * 1e3 for connection in opened for one in connection.latencies]
    return {
        "requests": len(latencies),
        "rate": len(latencies) / taken,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    result = asyncio.run(load(given.port, given.path, given.connections, given.seconds))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
