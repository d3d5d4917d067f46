"""The app under test: one uvicorn server of one instance. ``python -m trust.app '<json>'``.

It tells its parent on a pipe what it has come to (``ready``, ``running held``, a gate's
point), one line each. SIGUSR1 releases held tasks, SIGUSR2 opens the gate, SIGQUIT has it write
down what its event loop waits for.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

from fastapi_taskflow import ManagedBackgroundTasks, QueueConfig, TaskManager
from trust.evidence import Evidence
from trust.gates import GatedBackend, QuickRescue
from trust.stores import backend_of
from trust.tasks import Release, register

__all__ = ["Announcer", "Config", "build", "main"]

_TICK_SECONDS = 0.05
# Who adds a task in a request, and how: the ways that SEMANTICS tells apart.
Via = Literal["lane", "queue", "shared", "eager", "enqueue", "thread", "group"]
GROUP_SIZE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What one instance is told. Spans are seconds.

    ``db`` is a path or an address, as `trust.stores` takes it; a ``worker`` has no HTTP.
    ``gate`` is a point of `GatedBackend`, ``rescue_factor`` shortens the delays that follow
    repeated deaths, ``graceful`` is uvicorn's own limit for open connections.
    """

    db: str
    evidence: str
    port: int
    notify: int = 1
    drain_timeout: float = 25.0
    heartbeat: float = 5.0
    ttl: float = 20.0
    gate: str | None = None
    rescue_factor: float = 1.0
    graceful: int | None = None
    worker: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Announcer:
    """Lines to the parent process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, line: str) -> None:
        os.write(self._descriptor, line.encode() + b"\n")


def build(config: Config, announce: Callable[[str], None]) -> FastAPI:
    """The app of one instance."""
    evidence = Evidence(config.evidence)
    gated = GatedBackend(backend_of(config.db), config.gate, announce)

    def rescued(task_id: str, delay: float) -> None:
        evidence.write("rescue", task=task_id, delay=delay)

    manager = TaskManager(
        snapshot_backend=QuickRescue(gated, config.rescue_factor, rescued),
        drain_timeout=config.drain_timeout,
        heartbeat_interval=config.heartbeat,
        instance_ttl=config.ttl,
        queues={
            "side": QueueConfig(),
            "shared": QueueConfig(dispatch="shared"),
            "single": QueueConfig(concurrency=1),
        },
    )
    release = Release()
    functions = register(manager, evidence, release, announce)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, release.set)
        loop.add_signal_handler(signal.SIGUSR2, gated.open_gate)
        loop.add_signal_handler(signal.SIGQUIT, write_down_waits)
        if config.worker:
            announce("ready")
        yield

    app = FastAPI(lifespan=lifespan)
    manager.init_app(app)
    Managed = Annotated[ManagedBackgroundTasks, Depends(manager.get_tasks)]  # noqa: N806

    @app.post("/tasks/{kind}", status_code=202)
    async def add(
        kind: str, rid: str, tasks: Managed, ms: int = 1, via: Via = "lane"
    ) -> dict[str, list[str]]:
        return {"task_ids": await _add(manager, tasks, functions[kind], via, rid, ms)}

    @app.post("/late/{kind}", status_code=202)
    async def add_late(kind: str, rid: str, tasks: Managed) -> dict[str, list[str]]:
        """Adds its task once the release is given: perhaps in the middle of a drain."""
        announce("running request")
        await release.event.wait()
        return {"task_ids": [tasks.add_task(functions[kind], rid, 1, tags={"rid": rid})]}

    app.get("/stream")(stream)
    return app


def write_down_waits() -> None:
    """Where each task of the event loop is."""
    for one in asyncio.all_tasks():
        one.print_stack()


async def _add(
    manager: TaskManager,
    tasks: ManagedBackgroundTasks,
    function: Callable[..., Any],
    via: Via,
    rid: str,
    ms: int,
) -> list[str]:
    """Add a task in one of the ways there are; the ids that the client is told."""
    tags = {"rid": rid}
    match via:
        case "enqueue":
            return [(await manager.enqueue(function, rid, ms, tags=tags)).task_id]
        case "queue":
            return [tasks.add_task(function, rid, ms, tags=tags, queue="side")]
        case "shared":
            return [tasks.add_task(function, rid, ms, tags=tags, queue="shared")]
        case "eager":
            return [tasks.add_task(function, rid, ms, tags=tags, eager=True)]
        case "thread":
            return [await asyncio.to_thread(tasks.add_task, function, rid, ms, tags=tags)]
        case "group":
            return [tasks.add_task(function, rid, ms, tags=tags) for _ in range(GROUP_SIZE)]
        case "lane":
            return [tasks.add_task(function, rid, ms, tags=tags)]


async def stream() -> StreamingResponse:
    """A response that never ends by itself."""

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick\n"
            await asyncio.sleep(_TICK_SECONDS)

    return StreamingResponse(ticks(), media_type="text/plain")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce("ready")


def main(arguments: str) -> None:
    """Serve until a signal ends it."""
    config = Config(**json.loads(arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
    announce = Announcer(config.notify)
    listener = socket.socket()
    # The parent keeps the port reserved with a socket that does not listen.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", config.port))
    server_config = uvicorn.Config(
        build(config, announce),
        log_level="warning",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=config.graceful,
    )
    _Server(server_config, announce).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
