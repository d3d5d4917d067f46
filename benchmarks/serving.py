"""Apps in processes of their own: how such a process serves, and how others start and ask it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

__all__ = ["get", "listen", "serve", "served"]


def serve(app: FastAPI) -> None:
    """Serve an app, on uvloop where that is installed, at a port that is printed."""
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(listen(app))


async def listen(app: FastAPI) -> None:
    """Serve an app on this event loop, at a port that is printed."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    # Of a socket whose protocol is not named, asyncio does not know that it is TCP, and leaves
    # Nagle's algorithm on: every response would wait 40 ms for the client's delayed ACK.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who reads the port may connect at once
        print(listener.getsockname()[1], flush=True)
        await server.serve([listener])


@contextmanager
def served(module: str, *arguments: str) -> Iterator[int]:
    """The port of a program that serves an app, for the time of the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def get(port: int, path: str) -> bytes:
    """What is answered to a GET.

    Raises:
        urllib.error.HTTPError: it is no success.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return bytes(answer.read())
