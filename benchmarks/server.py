"""README's app in small, several ways: `python -m benchmarks.server KIND`.

The endpoints are the same text in all of them; only what manages their `BackgroundTasks`
differs, and is set up before them, as README does.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

from benchmarks.serving import serve
from fastapi_taskflow import TaskAdmin, TaskManager

__all__ = ["KINDS", "make_app"]

KINDS = ("stock", "memory", "behind", "durable")

ran = 0


async def noop(number: int) -> None:  # noqa: ARG001  (what is added has an argument)
    global ran  # noqa: PLW0603  (one process, one count)
    ran += 1


def make_app(kind: str, db: Path) -> FastAPI:
    """One kind of app: ``behind`` has a store and tasks that are written to it behind."""
    app = FastAPI()
    if kind != "stock":
        manager = TaskManager(snapshot_db=None if kind == "memory" else db)
        TaskAdmin(app, manager, auto_install=True)
        manager.task(persist=kind == "durable")(noop)

    @app.post("/add")
    async def add(background_tasks: BackgroundTasks) -> dict[str, bool]:
        background_tasks.add_task(noop, 42)
        return {"added": True}

    @app.post("/plain")
    async def plain() -> dict[str, bool]:
        return {"added": False}

    @app.get("/state")
    async def state() -> dict[str, float]:
        return {"ran": ran, "cpu_seconds": time.process_time()}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--db", type=Path, default=Path("bench-web.db"))
    arguments = parser.parse_args()
    serve(make_app(arguments.kind, arguments.db))


if __name__ == "__main__":
    main()
