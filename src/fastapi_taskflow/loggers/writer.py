"""Observers that write lines, and the thread in which they may block."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from fastapi_taskflow.loggers.base import (
    LifecycleEvent,
    LogEvent,
    TaskEvent,
    TaskObserver,
    is_at_least,
)
from fastapi_taskflow.loggers.lines import format_event
from fastapi_taskflow.words import limits

__all__ = ["LineObserver"]


class _Writer:
    """One daemon thread that does one thing after the other, for callers on event loops.

    A daemon, so that a disk or pipe that never answers cannot keep the process from
    ending; the threads of asyncio and of `concurrent.futures` are joined at exit.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, work: Callable[[], object]) -> None:
        """Run ``work`` in the thread after all earlier calls; raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def job() -> None:
            try:
                work()
            except Exception as exc:  # handed to the caller
                outcome = partial(_fail, done, exc)
            else:
                outcome = partial(_succeed, done)
            # A loop that has ended: nobody waits for the answer.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(outcome)

        self._jobs.put(job)
        await done

    def stop(self) -> None:
        """End the thread after what was asked so far."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _succeed(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


class LineObserver(TaskObserver, ABC):
    """Base of observers that write lines; their blocking writes happen in one thread.

    Args:
        log_lifecycle: Write a line for every change of a task's state as well.
        min_level: Log events below it are left out.
    """

    def __init__(self, *, log_lifecycle: bool = False, min_level: str = "info") -> None:
        super().__init__(min_level)
        self.log_lifecycle = limits.switch("log_lifecycle", log_lifecycle)
        self._writer: _Writer | None = None

    @abstractmethod
    def _write(self, lines: Sequence[str]) -> None:
        """Write lines; runs in the thread and may block."""

    async def on_log(self, event: LogEvent) -> None:
        await self.on_events([event])

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        await self.on_events([event])

    async def on_events(self, events: Sequence[TaskEvent]) -> None:
        """Write the batch at once, in one trip to the thread.

        Raises:
            OSError: it could not be written.
        """
        lines = [format_event(event) for event in events if self._wants(event)]
        # The first event opens what is written to, if it is itself left out or not.
        if lines or self._writer is None:
            await self._in_thread(partial(self._write, lines))

    async def close(self) -> None:
        """Wait for writes under way and end the thread. A later event starts it again."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                await writer.call(self._release)
            finally:
                writer.stop()

    def _release(self) -> None:
        """Give back what `_write` holds; runs in the thread."""

    async def _in_thread(self, work: Callable[[], object]) -> None:
        if self._writer is None:
            self._writer = _Writer(f"taskflow-{type(self).__name__}")
        await self._writer.call(work)

    def _wants(self, event: TaskEvent) -> bool:
        if isinstance(event, LifecycleEvent):
            return self.log_lifecycle
        return is_at_least(event.level, self.min_level)
