"""The unit of work of one request: its tasks are stored together and run after it.

Open: tasks are staged. Committed: the endpoint returned; durable tasks are stored, in one
transaction, before the status line is sent. Answered: the response is out, its
background runs. Closed: the request's scope ended; what the background did not run runs from its
queue.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from starlette.background import BackgroundTask

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.crossing import hand_over, wait_in_thread
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.words.errors import ConfigurationError, RequestClosed, TaskflowError

__all__ = ["LaneItem", "Unit", "log_failure", "needs_commit"]

logger = logging.getLogger(__name__)


class Unit:
    """One manager's tasks in one response.

    `add` is called from any thread, everything else on the event loop.
    """

    __slots__ = ("_answered", "_closed", "_eager", "_fresh", "_lane", "_lock", "_staged", "engine")

    def __init__(self, engine: Engine, *, closed: bool) -> None:
        self.engine = engine
        # Protects _staged, _eager and _closed: what a thread adds is seen by the next
        # commit, or the thread sees that the unit is closed.
        self._lock = threading.Lock()
        # Prepared and not yet committed, in the order of their adding.
        self._staged: list[LiveTask] = []
        self._eager: list[Future[None]] = []
        # Committed: tasks that need no store and are accepted once the response is out,
        # and tasks that the background has not come to.
        self._fresh: list[LiveTask] = []
        self._lane: dict[str, LiveTask] = {}
        self._answered = False
        self._closed = closed

    def add(self, task: LiveTask, *, eager: bool, lane: bool, committed: bool) -> LaneItem | None:
        """Take a prepared task; gives what the background has to run, if anything.

        Args:
            eager: Start it now.
            lane: It may run in the background.
            committed: Somebody will `commit`. Where nobody does, durable tasks are refused,
                and the others are accepted by their turn in the background.
        """
        if task.durable and not committed:
            self.engine.commits.drop([task])
            raise ConfigurationError(_UNCOMMITTED.format(task.record.func_name))
        in_background = lane and not eager
        task.launch_on_commit = not in_background
        if not in_background:
            task.context = contextvars.copy_context()
        with self._lock:
            closed = self._closed
            if not eager and not closed:
                self._staged.append(task)
                return LaneItem(self, task) if in_background or not committed else None
        task.launch_on_commit = True
        task.context = task.context or contextvars.copy_context()
        self._start_at_once(task, closed=closed)
        return None

    def commit_now(self) -> bool:
        """`commit`, if nothing of it needs the store; else nothing is done, and False."""
        if not self.engine.core.is_here():
            return False
        with self._lock:
            if self._eager:
                return False
            for task in self._staged:
                if needs_commit(task):
                    return False
            staged, self._staged = self._staged, []
        self._committed(staged, fresh=staged)
        return True

    async def commit(self) -> None:
        """Store what is staged, in one transaction; if that fails, nothing is accepted."""
        with self._lock:
            staged, self._staged = self._staged, []
            eager, self._eager = self._eager, []
        durable = [task for task in staged if needs_commit(task)]
        others = [task for task in staged if not needs_commit(task)]
        try:
            for future in eager:
                # Shielded: the task started at its adding and is not undone.
                await asyncio.shield(asyncio.wrap_future(future))
        except BaseException:
            self.engine.commits.drop(staged)
            raise
        try:
            if durable:
                await self.engine.commits.commit(durable)
        except asyncio.CancelledError:
            self.engine.commits.drop(others)
            self._let_run(durable)
            raise
        except BaseException:
            self.engine.commits.drop(others)
            raise
        self._committed(staged, fresh=others)

    def discard(self) -> None:
        """The endpoint raised: nothing that is staged is stored or run."""
        with self._lock:
            staged, self._staged = self._staged, []
        self.engine.commits.drop(staged)

    def answer_now(self) -> bool:
        """`answer`, if nothing was staged meanwhile; else False."""
        if self._staged or self._eager or not self.engine.core.is_here():
            return False
        self._answered = True
        self._accept()
        return True

    async def answer(self) -> None:
        """The response is out: commit what was staged meanwhile, accept what needs no store."""
        self._answered = True
        try:
            if self._staged or self._eager:
                await self.commit()
        finally:
            self._accept()

    async def answer_late(self) -> None:
        """As `answer`, when nobody can be told of a failure: it is logged."""
        try:
            await self.answer()
        except TaskflowError:
            logger.exception("Tasks added after the response had begun could not be stored")

    async def run_in_lane(self, task: LiveTask) -> None:
        """Run a task of the background and wait for it."""
        if self._staged or not self._answered:
            await self.answer_late()
        if self._lane.pop(task.record.task_id, None) is None:
            return  # it was dropped, or runs from its queue
        task.context = contextvars.copy_context()
        await self.engine.lanes.run(task)

    def close_now(self) -> bool:
        """`close`, if the background has run everything; else False."""
        with self._lock:
            if not self._answered or self._staged or self._eager or self._fresh or self._lane:
                return False
            self._closed = True
        return True

    async def close(self, *, failed: bool) -> None:
        """The scope ends: no background will run what is left.

        If it ``failed`` before any response, what is not stored is dropped, as FastAPI would.
        """
        with self._lock:
            self._closed = True
        try:
            if failed and not self._answered:
                self._drop_unstored()
            else:
                await self.answer_late()
        finally:
            self.skip_lane()

    def skip_lane(self) -> None:
        """The background waits for nothing more: its tasks run from their queues."""
        if not self.engine.core.is_here():
            self.engine.core.call_soon(self.skip_lane)
        elif self._lane:
            lane, self._lane = self._lane, {}
            self._hand_over(lane.values())

    def _committed(self, staged: list[LiveTask], *, fresh: list[LiveTask]) -> None:
        self._fresh += fresh
        for task in staged:
            if not task.launch_on_commit:
                self._lane[task.record.task_id] = task
        if self._answered:
            self._accept()

    def _accept(self) -> None:
        fresh, self._fresh = self._fresh, []
        for task in fresh:
            self.engine.commits.accept(task)
            if task.launch_on_commit:
                self.engine.dispatcher.run_when_due(task)
        if self.engine.settings.detached_lane:
            self.skip_lane()

    def _drop_unstored(self) -> None:
        self.discard()
        fresh, self._fresh = self._fresh, []
        for task in fresh:
            self._lane.pop(task.record.task_id, None)
        self.engine.commits.drop(fresh)

    def _let_run(self, durable: list[LiveTask]) -> None:
        """The commit's waiter was cancelled: what is stored runs, and nobody waits for it."""
        waiting = [task for task in durable if not task.launch_on_commit]
        self._hand_over(task for task in waiting if task.held)
        for task in waiting:
            task.context = task.context or contextvars.copy_context()
            task.launch_on_commit = True

    def _hand_over(self, tasks: Iterable[LiveTask]) -> None:
        for task in tasks:
            task.context = contextvars.copy_context()
            self.engine.lanes.skip(task)

    def _start_at_once(self, task: LiveTask, *, closed: bool) -> None:
        """Start an eager task, or one that was added after the request."""
        engine = self.engine
        on_loop = engine.core.is_here()
        if not needs_commit(task):
            if on_loop:
                engine.commits.launch(task)
            else:
                engine.loop.call_soon_threadsafe(engine.commits.launch, task)
            return
        if on_loop and closed and task.durable:
            engine.commits.drop([task])
            raise RequestClosed(_TOO_LATE.format(task.record.func_name))
        future = asyncio.run_coroutine_threadsafe(engine.commits.commit([task]), engine.loop)
        if not closed:
            with self._lock:
                self._eager.append(future)
        elif on_loop:
            future.add_done_callback(log_failure)
        else:
            wait_in_thread(future, engine)


class LaneItem(BackgroundTask):
    """A unit's task in the background, which waits for its attempts.

    ``func`` is the user's function, so FastAPI's telemetry names the right thing.
    """

    def __init__(self, unit: Unit, task: LiveTask) -> None:
        # Not super().__init__, which would inspect the function for every task.
        self.func = task.registered.func
        self.is_async = True
        self._unit = unit
        self._task = task

    # The task lets go of its arguments at its end; the background lives on.

    @property
    def args(self) -> Any:  # type: ignore[override]  # the base has an attribute
        return self._task.args

    @property
    def kwargs(self) -> Any:  # type: ignore[override]
        return self._task.kwargs

    async def __call__(self) -> None:
        run, engine = self._unit.run_in_lane(self._task), self._unit.engine
        await (run if engine.core.is_here() else hand_over(run, engine))


def log_failure(future: Future[None]) -> None:
    """Of a commit that nobody waits for."""
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("A task added after its request could not be stored", exc_info=error)


def needs_commit(task: LiveTask) -> bool:
    """It is not accepted before the store has it."""
    return task.durable or task.record.idempotency_key is not None


_TOO_LATE = (
    "Task {!r} is durable and was added on the event loop after its request had ended, where "
    "nothing waits for its commit. Use: await task_manager.enqueue(...)"
)
_UNCOMMITTED = (
    "Task {!r} is durable, and these BackgroundTasks are not bound to a request: nothing would "
    "store the task before the response. Take them from the request instead: "
    "Depends(task_manager.get_tasks), or a plain BackgroundTasks parameter after "
    "task_manager.install(app)."
)
