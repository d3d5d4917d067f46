"""``worker``: the app's tasks in a process without HTTP.

It is the app's own lifespan with other roles: the same start, recovery and drain as in a
server, and resources that the app opens in its lifespan are there for its tasks.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Annotated

import typer
from fastapi import FastAPI

from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.cli.output import took
from fastapi_taskflow.cli.probes import probed
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.executors.process import cores
from fastapi_taskflow.loggers.base import LifecycleEvent, LogEvent, TaskObserver
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import TERMINAL
from fastapi_taskflow.words.texts import escape

__all__ = ["worker"]

logger = logging.getLogger("fastapi_taskflow.worker")

_ROLES = frozenset({"execute", "maintain", "observe"})
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def worker(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="MODULE:APP",
            help="The app, or its file; without it, the one that `fastapi` would find.",
            show_default=False,
        ),
    ] = None,
    *,
    queues: Annotated[
        list[str] | None,
        typer.Option(
            "--queues",
            "-q",
            metavar="NAME,...",
            help="Take tasks from these queues only; may be repeated.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Run at most N coroutine functions and N plain ones at a time, and no more than "
            "N in child processes. Without it the app's TaskManager says how many.",
            show_default=False,
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            metavar="PORT",
            help="Answer GET /live and GET /ready on this port, with 200 or 503.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing of single tasks.")] = False,
) -> None:
    """Run the app's durable tasks in this process, without HTTP.

    It shares the store with the app's servers and other workers: takes what waits, and
    recovers what dead processes left. All TaskManagers of the app that have a store take
    part. Tasks that are not durable run where they were added, never here.

    SIGTERM or Ctrl+C lets running tasks end first; a second signal ends them at once. Both
    ways the exit code is 0.
    """
    name, app = load_app(target)
    found = managers_of(app, name)
    claims = _known(queues, found) if queues else None
    _log_to_stderr()
    for task_manager in found:
        runtime = task_manager.runtime
        settings = replace(runtime.settings, roles=_ROLES, claims=claims)
        if concurrency is not None:
            settings = replace(
                settings,
                max_concurrent_tasks=concurrency,
                max_sync_threads=concurrency,
                # A thread more costs little, a process more does not.
                max_process_workers=min(concurrency, settings.max_process_workers or cores()),
            )
        runtime.settings = settings
        if not quiet:
            runtime.observe(_Narrator())
    asyncio.run(_serve(name, app, found, health_port))
    logger.info("Worker stopped")


def _known(queues: Sequence[str], managers: Sequence[TaskManager]) -> frozenset[str]:
    """The queues of lists with commas.

    Raises:
        BadParameter: one that no manager has, or none at all.
    """
    names = {DEFAULT_QUEUE, *(name for each in managers for name in each.runtime.settings.queues)}
    chosen = [name.strip() for name in ",".join(queues).split(",") if name.strip()]
    told = f"The app's queues: {', '.join(sorted(names))}."
    if not chosen:
        raise typer.BadParameter(f"Name at least one queue. {told}", param_hint="--queues")
    for name in chosen:
        if name not in names:
            said = f"No queue is named {name!r}.{near(name, names)} {told}"
            raise typer.BadParameter(said, param_hint="--queues")
    return frozenset(chosen)


async def _serve(
    name: str, app: FastAPI, found: Sequence[TaskManager], health_port: int | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    # Below the managers' own handlers, which the lifespan puts in front: those drain.
    def handle(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    former = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        async with probed(health_port, found), app.router.lifespan_context(app):
            for task_manager in found:
                _introduce(name, task_manager)
            await stop.wait()
            logger.info("Stopping: running tasks may end; a second signal ends them now")
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _introduce(name: str, task_manager: TaskManager) -> None:
    engine = task_manager.runtime.engine()
    functions = sorted(task_manager.registry.names())
    logger.info("Worker %s of %s is ready", engine.instance_id, name)
    logger.info("Functions: %s", ", ".join(functions) or "none")
    claims = engine.settings.claims
    queues = [
        f"{queue.name} (paused)" if queue.paused else queue.name
        for queue in engine.queues
        if claims is None or queue.name in claims
    ]
    logger.info("Queues: %s", ", ".join(sorted(queues)) or "none of this TaskManager's")
    if not functions:
        logger.warning(
            "No function is registered, so nothing will run here. Import the modules with "
            "@task_manager.task() where the app is made."
        )


class _Narrator(TaskObserver):
    """Tells of each task in the log."""

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        if event.status in TERMINAL:
            # Why it failed is in the engine's own line, with the traceback.
            told = f" after {took(event.duration)}" if event.duration is not None else ""
            level = logging.INFO if event.status is TaskStatus.SUCCESS else logging.WARNING
            self._tell(level, event, told)
        elif event.status is TaskStatus.RUNNING:
            self._tell(logging.INFO, event, f" (retry {event.attempt})" if event.attempt else "")

    async def on_log(self, event: LogEvent) -> None:
        message = escape(event.message)
        logger.info("Task %s %s: %s", event.task_id, event.func_name, message)

    def _tell(self, level: int, event: LifecycleEvent, more: str) -> None:
        word = event.status.value
        logger.log(level, "Task %s %s: %s%s", event.task_id, event.func_name, word, more)


def _log_to_stderr() -> None:
    """Unless the app has set up logging of its own."""
    if logging.getLogger().handlers or logging.getLogger("fastapi_taskflow").handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("fastapi_taskflow").setLevel(logging.INFO)
