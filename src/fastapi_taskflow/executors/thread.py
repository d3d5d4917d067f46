"""Plain functions, on daemon threads of our own."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Reason, Run, Told
from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.executors.fromthread import lender
from fastapi_taskflow.executors.local import LocalRun, Unfinished
from fastapi_taskflow.rules.answers import discard
from fastapi_taskflow.rules.ends import Raised, Stopped
from fastapi_taskflow.words.said import Say

__all__ = ["ThreadExecutor"]

logger = logging.getLogger(__name__)


class ThreadExecutor(Executor):
    """Runs up to ``slots`` calls at a time. A thread cannot be stopped: it is asked to end."""

    slots: int

    def __init__(self, slots: int) -> None:
        self.slots = slots

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = DaemonThreads(self.slots, begin=lender())

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        run = _ThreadRun(call, ended, say, self, self._loop)
        self._threads.submit(run)
        return run

    async def close(self, grace: float) -> None:
        """Idle threads end; nobody waits for those that still run."""
        self._threads.close()


class _ThreadRun(LocalRun):
    __slots__ = ("_helpers", "_loop")

    def __init__(
        self,
        call: Call,
        ended: OnEnd,
        say: Say,
        executor: Executor,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(call, ended, say, executor)
        self._loop = loop
        # On the event loop, for the function on the thread.
        self._helpers: set[asyncio.Future[Any]] | None = None

    def stop(self, reason: Reason) -> bool:
        self.reason = reason
        for helper in tuple(self._helpers or ()):
            helper.cancel()
        return super().stop(reason)

    def accompanied_by(self, helper: asyncio.Future[Any]) -> None:
        """The thread waits for something on the event loop, which is cancelled with it."""
        if self.reason is not None:
            helper.cancel()
            return
        if self._helpers is None:
            self._helpers = set()
        self._helpers.add(helper)
        helper.add_done_callback(self._helpers.discard)

    def __call__(self) -> None:
        # No variable holds how it ended: see `drive`.
        self._take(self.call.context.run(self.begin))

    def _take(self, told: Told | Unfinished) -> None:
        if isinstance(told, Unfinished):
            try:
                self._loop.call_soon_threadsafe(self._go_on, told)
            except RuntimeError:  # the loop is closed: the process ends
                discard(told.answer)
                self.end(Stopped())
        else:
            self.end(told)

    def _go_on(self, begun: Unfinished) -> None:
        if self.reason is not None:
            discard(begun.answer)
            self.end(Stopped())
            return
        try:
            rest = self.drive(begun.answer)
            self.runner = self._loop.create_task(rest, context=self.call.context)
        # The app's own task factory refuses.
        except BaseException as exc:
            self.end(Raised(exc))
