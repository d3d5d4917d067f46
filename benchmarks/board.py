"""An app with a dashboard that is busy by itself: `python -m benchmarks.board DB`."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from benchmarks.history import noop
from benchmarks.serving import serve
from fastapi_taskflow import TaskAdmin, TaskManager

__all__ = ["RATE", "make_app"]

RATE = 500
"""Durable tasks per second that it gives itself."""

_AT_ONCE = 10


def make_app(db: Path) -> FastAPI:
    """The app; its tasks do nothing."""
    manager = TaskManager(snapshot_db=db)
    manager.task(persist=True)(noop)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            busy = group.create_task(_keep_busy(manager))
            yield
            busy.cancel()

    app = FastAPI(lifespan=lifespan)
    TaskAdmin(app, manager)

    @app.get("/state")
    async def state() -> dict[str, float]:
        return {"cpu_seconds": time.process_time()}

    return app


async def _keep_busy(manager: TaskManager) -> None:
    at = time.monotonic()
    while True:
        await manager.enqueue_many([noop] * _AT_ONCE)
        at += _AT_ONCE / RATE
        await asyncio.sleep(max(0.0, at - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("db", type=Path)
    serve(make_app(parser.parse_args().db))


if __name__ == "__main__":
    main()
