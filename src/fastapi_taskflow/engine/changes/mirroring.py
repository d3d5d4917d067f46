"""Write-behind: the state of tasks that are not durable, and the log lines of all.

Nobody waits for these writes. Only the latest state of a task is written; one that ends
within the delay is written once. What the store does not take now stays marked and is tried
again; what it will never take, because of a value in it, parts from the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from fastapi_taskflow.backends.base import LogChunk, MirrorAnswer, Residence, Snapshot
from fastapi_taskflow.engine.changes.feed import Feed
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.groupcommit import in_parts
from fastapi_taskflow.engine.core.journal import Unsent
from fastapi_taskflow.engine.core.live import LiveTask, Running
from fastapi_taskflow.engine.core.news import Told
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.payloads import describe_for_mirror
from fastapi_taskflow.engine.core.supervisor import Wakeup
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Mirror"]

logger = logging.getLogger(__name__)

_BATCH = 100
# Progress is for people, who see no more of it.
_NEWS_SECONDS = 0.25
# Bounds the memory that a long outage takes; beyond it ended tasks lose their record.
_CAPACITY = 50_000


class Mirror:
    """Writes the newest state of changed tasks behind them.

    Args:
        ask_cancel: Told of a task for which the store knows that cancel was asked.
    """

    def __init__(self, core: Core, feed: Feed, ask_cancel: Callable[[LiveTask], None]) -> None:
        self._core = core
        self._feed = feed
        self._ask_cancel = ask_cancel
        self._residence = core.backend.residence
        self._changed: dict[str, LiveTask] = {}
        self._talking: dict[str, LiveTask] = {}
        # Ids of tasks whose state is on its way to the store.
        self._underway: frozenset[str] = frozenset()
        self._wake = Wakeup()
        # Who gets it knows that no older write is under way.
        self._writing = asyncio.Lock()
        # States that were never stored, that the store knew better, and that a value in
        # them kept from being stored whole.
        self.dropped = 0
        self.refused = 0
        self.misfits = 0

    def start(self) -> None:
        self._core.supervisor.loop("write-behind", self._round)

    def touch(self, task: LiveTask) -> None:
        """The task's state changed."""
        if not self._changed:
            self._wake.set()
        elif len(self._changed) >= _CAPACITY and task.record.task_id not in self._changed:
            self.dropped += 1
            return
        self._changed[task.record.task_id] = task

    def logged(
        self, attempt: Running, message: str, level: str, extra: dict[str, Any], *, first: bool
    ) -> None:
        """A task wrote to its log, the ``first`` line since it was looked at. From any thread."""
        core, task = self._core, attempt.task
        if self._feed.active:
            self._feed.line(task, message, level, core.clock.now(), attempt.number, extra)
        # Once for many: a task that floods its log must not fill the loop's queue.
        if first and core.is_here():
            self.talked(task)
        elif first:
            core.call_soon(self.talked, task)

    def news(self, task: LiveTask) -> None:
        """As `talked`, in a moment: with what it has told by then. From any thread."""
        self._core.call_soon(self._core.supervisor.after, _NEWS_SECONDS, self.talked, task)

    def talked(self, task: LiveTask) -> None:
        """The task has new log lines, or told of its work."""
        if not task.durable:
            self.touch(task)
            return
        if not self._talking:
            self._wake.set()
        self._talking[task.record.task_id] = task

    def owes(self, task_id: str) -> bool:
        """The store does not have the task's last state yet."""
        return task_id in self._changed or task_id in self._underway

    async def flush(self) -> None:
        """Write everything that is marked.

        Who is cancelled cuts no write off: nobody would know whether the store has its lines.

        Raises:
            StoreUnavailable: the store did not take it; it stays marked.
        """
        if self._changed or self._talking or self._writing.locked():
            writing = self._core.supervisor.spawn(self._write_marked(), "flush")
            if outage := await asyncio.shield(writing):
                raise outage

    async def _write_marked(self) -> Exception | None:
        """Why it could not be written, if anybody still wants to know."""
        try:
            async with self._writing:
                # Only what is marked now: under load there is always more.
                for _ in range(0, max(len(self._talking), len(self._changed)), _BATCH):
                    if self._talking:
                        await self._write_logs()
                    await self._write_states()
        except Exception as exc:
            return exc
        return None

    async def _round(self) -> None:
        if not self._changed and not self._talking:
            await self._wake.wait(60.0)
        # Whoever needs it sooner flushes: not the next change after that.
        await asyncio.sleep(self._core.settings.write_behind)
        await self.flush()

    async def _write_states(self) -> None:
        batch = [self._changed.pop(key) for key in list(islice(self._changed, _BATCH))]
        if self._residence is not None:
            batch = list(self._noted(self._residence, batch))
        if not batch:
            return
        self._underway = frozenset(task.record.task_id for task in batch)
        waiting = deque(self._described(batch))
        outage: Exception | None = None
        try:
            snapshots = [snapshot for _, snapshot in waiting]
            async for size, answers, error in in_parts(snapshots, self._mirror):
                part = [waiting.popleft() for _ in range(size)]
                if answers is not None:
                    for (task, sent), answer in zip(part, answers, strict=True):
                        self._learn(task, sent, answer)
                elif isinstance(error, StoreUnavailable):
                    outage = error
                    self._take_back(part)
                elif error is not None:
                    outage = await self._write_rest(*part[0], error) or outage
        except BaseException:
            self._take_back(waiting)
            raise
        finally:
            self._underway = frozenset()
        if outage is not None:
            raise outage

    def _noted(self, residence: Residence, batch: Sequence[LiveTask]) -> Iterator[LiveTask]:
        """Those that have to be mirrored all the same."""
        for task in batch:
            task.take_news()
        taken = residence.note(self._core.instance_id, batch)
        for task, is_noted in zip(batch, taken, strict=True):
            if is_noted:
                task.was_stored()
                task.result = None
            else:
                yield task

    def _described(self, batch: Iterable[LiveTask]) -> Iterator[tuple[LiveTask, Snapshot]]:
        for task in batch:
            try:
                yield task, self._snapshot(task)
            except Exception as exc:  # whatever is in its record, others have theirs
                self._give_up(task, exc)

    async def _mirror(self, snapshots: list[Snapshot]) -> list[MirrorAnswer]:
        return await self._core.backend.mirror(self._core.instance_id, snapshots)

    async def _write_rest(
        self, task: LiveTask, snapshot: Snapshot, error: Exception
    ) -> StoreUnavailable | None:
        """A value in the state cannot be stored: write what any store can.

        Returns:
            Why it could not be written now.
        """
        self.misfits += 1
        rest = _rest(snapshot, f"The record could not be stored whole: {error_text(error)}")
        try:
            (answer,) = await self._mirror([rest])
        except StoreUnavailable as exc:
            self._take_back([(task, snapshot)])
            return exc
        except Exception as exc:  # whatever is in its record, others have theirs
            self._give_up(task, exc)
        else:
            self._learn(task, snapshot, answer)
        return None

    def _give_up(self, task: LiveTask, error: Exception) -> None:
        self.dropped += 1
        text = "The state of task %s cannot be stored, so it is in no list: %s"
        notify(logger, logging.ERROR, text, task.record.task_id, error_text(error))

    def _take_back(self, part: Iterable[tuple[LiveTask, Snapshot]]) -> None:
        """The store did not take these now; they stay marked."""
        for task, snapshot in part:
            _give_back(task, snapshot, Unsent(snapshot.logs, snapshot.logs_anew))
            self._changed.setdefault(task.record.task_id, task)

    def _learn(self, task: LiveTask, sent: Snapshot, answer: MirrorAnswer) -> None:
        task.was_stored()
        if sent.result is not None:
            task.result = None
        # What could not be encoded is not tried again.
        task.packed = True
        if not answer.accepted:
            self.refused += 1
        elif answer.cancel_asked and not task.cancel_asked:
            self._ask_cancel(task)

    async def _write_logs(self) -> None:
        batch = [self._talking.pop(key) for key in list(islice(self._talking, _BATCH))]
        chunks = deque((task, chunk) for task in batch if (chunk := _chunk(task)) is not None)
        outage: Exception | None = None
        async for size, _, error in in_parts([chunk for _, chunk in chunks], self._append):
            part = [chunks.popleft() for _ in range(size)]
            if isinstance(error, StoreUnavailable):
                outage = error
                for task, chunk in part:
                    _give_back(task, chunk, Unsent(chunk.lines, chunk.anew))
                    self._talking.setdefault(task.record.task_id, task)
            elif error is not None:
                text = "Log lines of task %s cannot be stored: %s"
                task_id = part[0][0].record.task_id
                notify(logger, logging.ERROR, text, task_id, error_text(error))
        if outage is not None:
            raise outage

    async def _append(self, chunks: list[LogChunk]) -> list[None]:
        await self._core.backend.append_logs(chunks)
        return [None] * len(chunks)

    def _snapshot(self, task: LiveTask) -> Snapshot:
        record = task.record
        return Snapshot(
            describe_for_mirror(self._core, task),
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
            *task.take_news(),
            task.result,
            task.failure,
        )


def _chunk(task: LiveTask) -> LogChunk | None:
    """What the task has told; None: the store has it."""
    unsent, news = task.take_logs(), task.take_news()
    return LogChunk(task.lease, *unsent, *news) if unsent.lines or any(news) else None


def _give_back(task: LiveTask, sent: LogChunk | Snapshot, lines: Unsent) -> None:
    task.give_back_logs(lines)
    task.give_back_news(Told(sent.progress, sent.emitted, sent.summary))


def _rest(snapshot: Snapshot, error: str) -> Snapshot:
    """The state without all that a caller or a function has a say in."""
    task = snapshot.task._replace(
        payload=None, priority=None, delay=0.0, due_at=None, idempotency_key=None,
        fingerprint=None, tags={}, source="manual", executor=None, retry_of=None,
        title=None,
    )  # fmt: skip
    return snapshot._replace(
        task=task, due_at=None, error=error, stacktrace=None, logs=(), logs_anew=False,
        progress=None, emitted=None, summary=None, result=None,
    )  # fmt: skip
