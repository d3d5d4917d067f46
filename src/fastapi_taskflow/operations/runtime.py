"""One manager's engine over the lifespans of its process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sealed import SealedBackend
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.core.settings import Settings
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.loggers.fanout import LoggerChain
from fastapi_taskflow.operations.assembly import check_task_queues, checked_retention
from fastapi_taskflow.operations.placing import checks_of, executors_for
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.rules.durability import Durability
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.errors import ConfigurationError, EngineNotRunning

__all__ = ["Runtime"]

logger = logging.getLogger(__name__)

_START = (
    "In tests use `with TestClient(app)`, so that the app's lifespan runs; in an app call "
    "task_manager.init_app(app) on the root app, because the lifespan of a mounted app never "
    "runs; elsewhere use `async with task_manager:`."
)


class Runtime:
    """Makes an engine for each lifespan, and says which tasks are durable.

    Args:
        backend: None: memory, where nothing can be durable.
        keyring: Seals what is stored; None: it is stored as it is.
        executors: By name, those beside the built-in ones.
    """

    def __init__(
        self,
        backend: Backend | None,
        settings: Settings,
        observer: TaskObserver | None,
        keyring: Keyring | None,
        executors: Mapping[str, Executor],
    ) -> None:
        self.settings = settings
        self.registry = TaskRegistry(checks_of(executors))
        self.executors = executors
        self.store = TaskStore(settings.keep_finished)
        self.persistent = backend is not None
        self.backend: Backend = backend or MemoryBackend()
        self.keyring = keyring
        self._observer = observer
        self._engine: Engine | None = None
        # Lifespans that have started and not ended: the last one stops the engine.
        self._users = 0
        # One start or stop after the other; each event loop has a lock of its own.
        self._turns: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self.durability = Durability(
            self.registry, persistent=backend is not None, by_default=settings.durable_default
        )
        # What no engine took when it was added; run at the next start.
        self.at_begin: list[Callable[[], Coroutine[Any, Any, None]]] = []
        # It was said that no engine runs.
        self._warned = False

    def retain(self, days: float | None) -> None:
        """Delete older records, from the next start on, where the manager does not say."""
        days = checked_retention("retention_days", days)
        if self.settings.retention_days is None:
            self.settings = replace(self.settings, retention_days=days)

    def observe(self, observer: TaskObserver) -> None:
        """Add an observer, heard from the next start on."""
        first = self._observer
        self._observer = LoggerChain([observer] if first is None else [first, observer])

    @contextmanager
    def storing_in(self, backend: Backend) -> Iterator[None]:
        """Use another backend meanwhile, from the next start on; it counts as the own one does."""
        former = self.backend, self.store
        self._refuse_while_running()
        self.backend, self.store = backend, TaskStore(self.settings.keep_finished)
        try:
            yield
        finally:
            self.backend, self.store = former
        self._refuse_while_running()

    def _refuse_while_running(self) -> None:
        if self.running_engine() is not None:
            raise RuntimeError(
                "The TaskManager is started, so its store cannot be exchanged: enter "
                "isolated(task_manager) before the app's lifespan begins, and leave it after "
                "the end, as in `with isolated(task_manager), TestClient(app) as client:`."
            )

    # Life

    async def startup(self) -> None:
        """Start an engine that accepts tasks; a second call while one runs only counts.

        It lives on this event loop. From another one nothing is counted: the engine ends
        with its loop.

        Raises:
            ConfigurationError: a task is durable and no backend outlives the process, or names
                a queue that is not configured.
            StoreUnavailable: the backend cannot be reached.
        """
        if (engine := self.running_engine()) is not None and not _is_ours(engine):
            return
        async with self._turn():
            if self._own_engine() is not None:
                self._users += 1
                return
            await self._start()

    async def _start(self) -> None:
        self._engine, self._users = self._made(), 1
        try:
            await self._engine.start()
        except BaseException:
            self._engine = None
            raise
        refusal, durable = self.backend.refusal, self.durability.names()
        if refusal is not None and durable:
            engine, self._engine = self._engine, None
            await engine.stop()
            raise ConfigurationError(f"Task {durable[0]!r} is durable, but {refusal}")

    def _made(self) -> Engine:
        self.durability.check()
        check_task_queues(self.registry, self.settings)
        return Engine(
            # Without a keyring it still tells what others have sealed from plain arguments.
            SealedBackend(self.backend, self.keyring),
            self.registry,
            self.store,
            self.settings,
            clock=SYSTEM_CLOCK,
            executors=executors_for(self.settings, self.executors),
            observer=self._observer,
        )

    def begin(self) -> None:
        """Run tasks, from now on; idempotent."""
        engine = self._own_engine()
        if engine is not None:
            engine.begin()
            waiting, self.at_begin = self.at_begin, []
            for step in waiting:
                engine.core.supervisor.spawn(step(), "task from before the start")

    async def drain(self) -> None:
        """End what runs if this is the last of its users; tasks are still accepted."""
        engine = self._own_engine()
        if engine is not None and self._users <= 1:
            await engine.drain()

    async def shutdown(self) -> None:
        """Stop the engine when the last of its users has ended; idempotent."""
        if self._own_engine() is None:
            return
        async with self._turn():
            engine = self._own_engine()
            if engine is None:  # stopped while this waited
                return
            self._users -= 1
            if self._users <= 0:
                try:
                    await engine.stop()
                finally:
                    self._engine = None

    def _turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._turns is None or self._turns[0] is not loop:
            self._turns = loop, asyncio.Lock()
        return self._turns[1]

    def _own_engine(self) -> Engine | None:
        """The engine, if it lives on this event loop."""
        engine = self.running_engine()
        return engine if engine is not None and _is_ours(engine) else None

    def running_engine(self) -> Engine | None:
        """The engine, if one runs in this process on an open event loop."""
        engine = self._engine
        return engine if engine is not None and engine.core.alive else None

    def engine(self) -> Engine:
        """The running engine."""
        if (engine := self.running_engine()) is None:
            raise EngineNotRunning(f"No engine of this TaskManager runs in this process. {_START}")
        return engine

    def require_engine_for(self, registered: Registered, options: Options) -> None:
        """No engine runs: refuse what stock FastAPI cannot do, warn once about the others.

        Raises:
            EngineNotRunning: the task is durable, or may not start at once.
        """
        if options.is_later or self.durability.of(registered):
            self.engine()
        if self._warned:
            return
        self._warned = True
        logger.warning(
            "No engine of this TaskManager runs: tasks run as plain FastAPI background tasks, "
            "with a record in memory only and without retries (first one: %r). %s",
            registered.name,
            _START,
        )


def _is_ours(engine: Engine) -> bool:
    return engine.loop is asyncio.get_running_loop()
