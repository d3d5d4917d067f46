"""The engine of one started instance: makes its services and wires them.

It lives on one event loop from `start` to `stop` and is never started twice: the next
lifespan makes a new one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.engine.accept.intake import Intake
from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.changes.feed import Feed
from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.damage import DamagedTasks
from fastapi_taskflow.engine.core.earlier import remember
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.notices import be_heard
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.core.queues import Queues
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE, Settings
from fastapi_taskflow.engine.core.supervisor import Failing, Supervisor
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.engine.draining import Shutdown, to_the_end
from fastapi_taskflow.engine.end.interventions import Interventions
from fastapi_taskflow.engine.end.settling import Settling
from fastapi_taskflow.engine.fleet.fleet import Fleet
from fastapi_taskflow.engine.flow import Flow
from fastapi_taskflow.engine.run.attempts import Attempts
from fastapi_taskflow.engine.run.dispatcher import Dispatcher
from fastapi_taskflow.engine.run.lanes import Lanes
from fastapi_taskflow.engine.run.unreadable import Unreadable
from fastapi_taskflow.engine.upkeep import collector
from fastapi_taskflow.engine.upkeep.housekeeping import Housekeeping
from fastapi_taskflow.executors.base import ThreadRunner
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.errors import QueueFullError
from fastapi_taskflow.words.forks import generation
from fastapi_taskflow.words.models import QueueConfig, TaskStatus
from fastapi_taskflow.words.texts import escape

__all__ = ["Engine"]

logger = logging.getLogger(__name__)


class Engine:
    """Takes tasks in, runs them, and keeps the store true.

    Args:
        backend: Opened and closed by the engine.
        store: Where the tasks of this process can be looked up.
        threads: Runs plain functions; closed by the engine.
        observer: Told of lifecycle events and log lines.
    """

    def __init__(  # noqa: PLR0913  (what a program is put together from)
        self,
        backend: Backend,
        registry: TaskRegistry,
        store: TaskStore,
        settings: Settings,
        *,
        clock: Clock,
        threads: ThreadRunner,
        observer: TaskObserver | None = None,
    ) -> None:
        self.backend = backend
        self.registry = registry
        self.store = store
        self.settings = settings
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.thread_id = threading.get_ident()
        self._born = generation()
        self.executes = "execute" in settings.roles
        # Set by `Shutdown`, once.
        self.draining = False
        self._threads = threads
        self._supervisor = Supervisor()
        self.damaged = DamagedTasks(self)
        limits = {"async": settings.max_concurrent_tasks, "thread": settings.max_sync_threads}
        pools = [Pool(name, limit) for name, limit in limits.items()]
        self.queues = Queues({DEFAULT_QUEUE: QueueConfig(), **settings.queues}, pools)
        watching = observer if "observe" in settings.roles else None
        self.feed = Feed(watching, clock, self._supervisor)
        self.flow = Flow(self)
        self.lanes = Lanes(self, settings.lane_patience)
        self.interventions = Interventions(self)
        self.mirror = Mirror(self, self._supervisor)
        self.attempts = Attempts(
            clock,
            threads,
            ended=self.flow.ended,
            released=self.flow.released,
            on_log=self.mirror.logged,
            max_log_lines=settings.max_log_lines,
            redactor=settings.redactor,
            torn_down=self._supervisor.is_torn_down,
        )
        self.settling = Settling(self, self._supervisor)
        self.dispatcher = Dispatcher(self, self._supervisor)
        self.intake = Intake(self, self._supervisor)
        self.unreadable = Unreadable(self)
        self.fleet = Fleet(self, self._supervisor)
        self.housekeeping = Housekeeping(self, self._supervisor)
        self.shutdown = Shutdown(self)

    @property
    def alive(self) -> bool:
        """It can run: its event loop is open, and this is its process, not a forked copy."""
        return self._born == generation() and not self.loop.is_closed()

    def is_here(self) -> bool:
        """This is the thread of the engine's event loop."""
        return threading.get_ident() == self.thread_id

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Call something on the engine's loop, from any thread, if the loop is still there."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args)

    @property
    def instance_id(self) -> str:
        return self.fleet.instance_id

    @property
    def failing(self) -> Mapping[str, Failing]:
        """Services that do not get on now, by name."""
        return self._supervisor.failing

    async def start(self) -> None:
        """Open the store, recover what dead instances left, accept tasks.

        Raises:
            StoreUnavailable, ConfigurationError: the store cannot be used.
        """
        be_heard()
        # Not in the `try`: what was never opened here may be somebody else's to close.
        await self.backend.open(self.fleet.hint)
        collector.relax()
        try:
            grade, place = self.backend.grade, escape(self.backend.place)
            logger.info("Task store %s, durability grade %s: %s", place, grade.name, grade.value)
            await self.feed.start()
            await self.fleet.start()
            self.mirror.start()
            self.housekeeping.start()
            await remember(self)
        except BaseException:
            collector.restore()
            self.fleet.abort()
            await self.feed.stop()
            await self._supervisor.stop()
            await self.backend.close()
            raise

    def begin(self) -> None:
        """Start tasks, those of the store too if that is a role; idempotent."""
        # The app's own start may have set up logging, or migrated its database.
        be_heard()
        if not self.draining:
            self.dispatcher.begin(claims=self.executes)

    async def drain(self) -> None:
        """Start nothing more and end what runs, in the drain time; tasks are still accepted."""
        try:
            await self.shutdown.run()
        except asyncio.CancelledError:
            self.shutdown.hurry()
            raise
        self.dispatcher.halt()

    async def stop(self) -> None:
        """Drain, say goodbye, close the store; takes at most the drain time and 2 s.

        Who is cancelled meanwhile waits for the end all the same, but the drain time is over.
        """
        await to_the_end(self._stop(), hurry=self.shutdown.hurry)

    async def _stop(self) -> None:
        try:
            await self.shutdown.run()
            await self.feed.stop()
            await self.fleet.stop()
        finally:
            # First, because a loop that is torn down may cut the rest short.
            self.fleet.abort()
            collector.restore()
            await self._supervisor.stop()
            self._threads.close()
            await self.backend.close()
            self._drop_unaccepted()

    def prepare(
        self,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Options,
        *,
        durable: bool,
    ) -> LiveTask:
        """A checked task that this process knows; nothing is written. From any thread.

        Raises:
            TaskArgumentError: see `Intake.prepare`.
            QueueFullError: the queue is full here; a REJECTED record is kept.
        """
        task = self.intake.prepare(registered, args, kwargs, options, durable=durable)
        if not self.queues.admit(task):
            raise self._reject(task)
        self.store.add(task)
        return task

    async def commit(self, tasks: Sequence[LiveTask]) -> None:
        """Store prepared tasks in one transaction; see `Intake.commit`."""
        await self.intake.commit(tasks)

    def drop(self, tasks: Sequence[LiveTask]) -> None:
        """Forget prepared tasks that were not accepted."""
        for task in tasks:
            self.flow.dropped(task)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a coroutine of an operation in the background."""
        self._supervisor.spawn(coroutine, name)

    def _drop_unaccepted(self) -> None:
        left = [task for task in self.store.held() if not task.held and not task.stored]
        if left:
            logger.warning(
                "%d tasks were added and never awaited before the stop (first one: %r); they are "
                "dropped",
                len(left),
                left[0].record.func_name,
            )
            self.drop(left)

    def _reject(self, task: LiveTask) -> QueueFullError:
        record = task.record
        max_size = self.queues.get(record.queue).max_size or 0
        error = QueueFullError(record.queue, max_size, task_id=record.task_id)
        record.status = TaskStatus.REJECTED
        record.end_time = record.created_at
        record.error = str(error)
        task.durable = False
        self.store.add(task)
        self.loop.call_soon_threadsafe(self.flow.rejected, task)
        return error
