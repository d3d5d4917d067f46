"""The unit of work of one request: its tasks are stored together and run after it.

Open: tasks are staged. Committed: the endpoint returned; durable tasks are stored, in one
transaction, before the status line is sent. Answered: the response is out, its background
chain runs. Closed: the request's scope ended; what the chain did not run runs from its
queue.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import Future

from starlette.background import BackgroundTask

from fastapi_taskflow.engine.engine import Engine
from fastapi_taskflow.engine.live import LiveTask
from fastapi_taskflow.errors import RequestClosed

__all__ = ["LaneItem", "Unit"]

logger = logging.getLogger(__name__)


class LaneItem(BackgroundTask):
    """A task in the response's background chain.

    ``func`` is the user's function, so FastAPI's telemetry names the right thing. Calling
    the item runs the attempt in the engine and waits for it.
    """

    def __init__(self, unit: Unit, task: LiveTask) -> None:
        # Not super().__init__, which would inspect the function for every task.
        self.func = task.registered.func
        self.args = task.args
        self.kwargs = task.kwargs
        self.is_async = True
        self._unit = unit
        self._task = task

    async def __call__(self) -> None:
        await self._unit.run_in_lane(self._task)


class Unit:
    """Tasks added through one `ManagedBackgroundTasks`.

    `add` is called from any thread, everything else on the event loop.
    """

    __slots__ = ("_answered", "_closed", "_eager", "_lane", "_later", "_staged", "engine")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Prepared and not yet accepted, in the order of their adding.
        self._staged: list[LiveTask] = []
        # Accepted: tasks of the chain that it has not reached, and tasks that need no
        # commit and wait for the response.
        self._lane: dict[str, LiveTask] = {}
        self._later: list[LiveTask] = []
        self._eager: list[Future[None]] = []
        self._answered = False
        self._closed = False

    def add(self, task: LiveTask, *, eager: bool, lane: bool) -> LaneItem | None:
        """Take a prepared task; gives what the chain has to run, if anything.

        Raises:
            RequestClosed: a durable task, on the event loop, after the request.
            TaskflowError: from a thread after the request: the commit failed.
        """
        lane = lane and not eager and not self._closed
        task.launch_on_commit = not lane
        if not lane:
            task.context = contextvars.copy_context()
        if eager or self._closed:
            self._at_once(task, eager=eager)
            return None
        self._staged.append(task)
        return LaneItem(self, task) if lane else None

    async def commit(self) -> None:
        """Store what is staged, in one transaction, and accept it.

        Raises:
            TaskflowError: the store refused or did not answer; nothing is accepted.
        """
        staged, self._staged = self._staged, []
        eager, self._eager = self._eager, []
        durable = [task for task in staged if _needs_commit(task)]
        others = [task for task in staged if not _needs_commit(task)]
        try:
            for future in eager:
                await asyncio.wrap_future(future)
            if durable:
                await self.engine.commit(durable)
        except BaseException:
            self.engine.drop(others)
            raise
        for task in others:
            self.engine.flow.accept(task)
            if task.launch_on_commit:
                self._later.append(task)
        for task in staged:
            if not task.launch_on_commit:
                self._lane[task.record.task_id] = task
        if self._answered:
            self._launch_later()

    def discard(self) -> None:
        """The endpoint raised: nothing that is staged is stored or run."""
        staged, self._staged = self._staged, []
        self.engine.drop(staged)

    async def answer(self) -> None:
        """The response is out: commit what was staged meanwhile, launch what waited for it."""
        self._answered = True
        if self._staged or self._eager:
            await self.commit()
        self._launch_later()

    async def run_in_lane(self, task: LiveTask) -> None:
        """Run a task of the chain and wait for it."""
        if self._staged:
            await self.commit()
        self._lane.pop(task.record.task_id, None)
        task.context = contextvars.copy_context()
        await self.engine.lanes.run(task)

    async def close(self) -> None:
        """The request's scope ends: no chain will run what is left."""
        self._closed = True
        try:
            await self.answer()
        finally:
            lane, self._lane = self._lane, {}
            for task in lane.values():
                task.context = contextvars.copy_context()
                self.engine.lanes.skip(task)

    def skip_lane(self) -> None:
        """Detached: every task of the chain runs from its queue."""
        lane, self._lane = self._lane, {}
        for task in lane.values():
            task.context = contextvars.copy_context()
            self.engine.lanes.skip(task)

    def _launch_later(self) -> None:
        later, self._later = self._later, []
        for task in later:
            self.engine.flow.run_when_due(task)

    def _at_once(self, task: LiveTask, *, eager: bool) -> None:
        on_loop = threading.get_ident() == self.engine.thread_id
        if not _needs_commit(task):
            if on_loop:
                self.engine.flow.launch(task)
            else:
                self.engine.loop.call_soon_threadsafe(self.engine.flow.launch, task)
            return
        if on_loop and self._closed:
            self.engine.drop([task])
            raise RequestClosed(
                f"Task {task.record.func_name!r} is durable and was added on the event loop "
                "after its request had ended, where nothing waits for its commit. "
                "Use: await task_manager.enqueue(...)"
            )
        future = asyncio.run_coroutine_threadsafe(self.engine.commit([task]), self.engine.loop)
        if eager and not self._closed:
            self._eager.append(future)
        else:
            future.result()


def _needs_commit(task: LiveTask) -> bool:
    return task.durable or task.record.idempotency_key is not None
