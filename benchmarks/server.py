"""One small app, three ways: `python -m benchmarks.server {stock,memory,durable}`.

The endpoint is the same text in all three; only what manages its `BackgroundTasks` differs.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from pathlib import Path

import uvicorn
from fastapi import BackgroundTasks, FastAPI

from fastapi_taskflow import TaskManager

__all__ = ["KINDS", "make_app"]

KINDS = ("stock", "memory", "durable")

ran = 0


async def noop(number: int) -> None:  # noqa: ARG001  (what is added has an argument)
    global ran  # noqa: PLW0603  (one process, one count)
    ran += 1


def make_app(kind: str, db: Path) -> FastAPI:
    app = FastAPI()

    @app.post("/add")
    async def add(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(noop, 42)
        return {"added": True}

    @app.get("/state")
    async def state() -> dict[str, float]:
        return {"ran": ran, "cpu_seconds": time.process_time()}

    if kind != "stock":
        manager = TaskManager(snapshot_db=db if kind == "durable" else None)
        manager.task(persist=kind == "durable")(noop)
        manager.install(app)
    return app


async def _serve(kind: str, db: Path) -> None:
    server = uvicorn.Server(
        uvicorn.Config(make_app(kind, db), log_level="warning", access_log=False)
    )
    # Of a socket whose protocol is not named, asyncio does not know that it is TCP, and leaves
    # Nagle's algorithm on: every response would wait 40 ms for the client's delayed ACK.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        await server.serve([listener])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--db", type=Path, default=Path("bench-web.db"))
    arguments = parser.parse_args()
    loop_factory = uvicorn.Config("").get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(arguments.kind, arguments.db))


if __name__ == "__main__":
    main()
