"""Write-behind: the state of tasks that are not durable, and the log lines of all.

Nobody waits for these writes. Only the latest state of a task is written; one that ends
within the delay is written once. What cannot be written stays marked and is tried again.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.backends.base import LogChunk, MirrorAnswer, Snapshot
from fastapi_taskflow.engine.journal import Unsent
from fastapi_taskflow.engine.live import LiveTask
from fastapi_taskflow.engine.supervisor import Supervisor, Wakeup

if TYPE_CHECKING:
    from fastapi_taskflow.engine.attempt import Attempt
    from fastapi_taskflow.engine.engine import Engine

__all__ = ["Mirror"]

_BATCH = 500
# Bounds the memory that a long outage takes; beyond it ended tasks lose their record.
_CAPACITY = 50_000


class Mirror:
    """Writes the newest state of changed tasks behind them."""

    def __init__(self, engine: Engine, supervisor: Supervisor) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._delay = engine.settings.write_behind
        self._changed: dict[str, LiveTask] = {}
        self._talking: dict[str, LiveTask] = {}
        # Ids of tasks whose state is on its way to the store.
        self._underway: frozenset[str] = frozenset()
        self._wake = Wakeup()
        # Who gets it knows that no older write is under way.
        self._writing = asyncio.Lock()
        self.dropped = 0
        self.refused = 0

    def start(self) -> None:
        self._supervisor.loop("write-behind", self._round)

    def touch(self, task: LiveTask) -> None:
        """The task's state changed."""
        if not self._changed:
            self._wake.set()
        elif len(self._changed) >= _CAPACITY and task.record.task_id not in self._changed:
            self.dropped += 1
            return
        self._changed[task.record.task_id] = task

    def logged(
        self, attempt: Attempt, message: str, level: str, extra: dict[str, Any], *, first: bool
    ) -> None:
        """A task wrote to its log, the ``first`` line since it was looked at. From any thread."""
        engine, task = self._engine, attempt.task
        if engine.feed.active:
            engine.feed.line(task, message, level, engine.clock.now(), attempt.number, extra)
        # Once for many: a task that floods its log must not fill the loop's queue.
        if first and threading.get_ident() == engine.thread_id:
            self.talked(task)
        elif first:
            with suppress(RuntimeError):  # a stuck thread talks after its loop is gone
                engine.loop.call_soon_threadsafe(self.talked, task)

    def talked(self, task: LiveTask) -> None:
        """The task has new log lines."""
        if not task.durable:
            self.touch(task)
            return
        if not self._talking:
            self._wake.set()
        self._talking[task.record.task_id] = task

    def owes(self, task_id: str) -> bool:
        """The store does not have the task's last state yet."""
        return task_id in self._changed or task_id in self._underway

    def forget(self, task: LiveTask) -> None:
        """The task was never accepted."""
        self._changed.pop(task.record.task_id, None)

    async def flush(self) -> None:
        """Write everything that is marked.

        Raises:
            StoreUnavailable: the store did not take it; it stays marked.
        """
        async with self._writing:
            # Only what is marked now: under load there is always more.
            for _ in range(0, max(len(self._talking), len(self._changed)), _BATCH):
                await self._write_logs()
                await self._write_states()

    async def _round(self) -> None:
        if not self._changed and not self._talking:
            await self._wake.wait(60.0)
        await self._wake.wait(self._delay)
        await self.flush()

    async def _write_states(self) -> None:
        batch = [self._changed.pop(key) for key in list(self._changed)[:_BATCH]]
        if not batch:
            return
        snapshots = [self._snapshot(task) for task in batch]
        self._underway = frozenset(task.record.task_id for task in batch)
        try:
            answers = await self._engine.backend.mirror(self._engine.instance_id, snapshots)
        except Exception:
            for task, snapshot in zip(batch, snapshots, strict=True):
                task.give_back_logs(Unsent(snapshot.logs, snapshot.logs_anew))
                self._changed.setdefault(task.record.task_id, task)
            raise
        finally:
            self._underway = frozenset()
        for task, answer in zip(batch, answers, strict=True):
            self._learn(task, answer)

    def _learn(self, task: LiveTask, answer: MirrorAnswer) -> None:
        task.stored = True
        # A stored row keeps what it has; nobody asks for it here again.
        task.payload = None
        if not answer.accepted:
            self.refused += 1
        elif answer.cancel_asked and not task.cancel_asked:
            self._engine.interventions.ask_cancel(task)

    async def _write_logs(self) -> None:
        batch = [self._talking.pop(key) for key in list(self._talking)[:_BATCH]]
        chunks = [
            (task, LogChunk(task.lease, *unsent))
            for task in batch
            if (unsent := task.take_logs()).lines
        ]
        if not chunks:
            return
        try:
            await self._engine.backend.append_logs([chunk for _, chunk in chunks])
        except Exception:
            for task, chunk in chunks:
                task.give_back_logs(Unsent(chunk.lines, chunk.anew))
                self._talking.setdefault(task.record.task_id, task)
            raise

    def _snapshot(self, task: LiveTask) -> Snapshot:
        record = task.record
        return Snapshot(
            self._engine.intake.describe_for_mirror(task, self._engine.instance_id),
            record.status,
            record.start_time,
            record.end_time,
            record.due_at,
            record.retries_used,
            task.failures,
            record.elapsed,
            record.error,
            record.stacktrace,
            *task.take_logs(),
        )
