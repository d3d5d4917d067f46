"""The tasks that this instance knows of right now.

`LiveTask` is a task in this process: its public record and what the engine needs to run
it. `TaskStore` holds them: those that this instance holds, and a bounded number of others.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.backends.base import Lease
from fastapi_taskflow.codec import is_small
from fastapi_taskflow.engine.earlier import Earlier
from fastapi_taskflow.engine.journal import Journal, Unsent
from fastapi_taskflow.models import TaskRecord
from fastapi_taskflow.registry import Registered
from fastapi_taskflow.states import TERMINAL

if TYPE_CHECKING:
    from fastapi_taskflow.engine.attempt import Attempt

__all__ = ["LiveTask", "TaskStore"]

_arrivals = itertools.count()
_NOTHING = Unsent(())
# Two threads of one task may write its first line.
_opening = threading.Lock()


class LiveTask:
    """One task in this process.

    ``durable`` tasks change state through the store's verbs; the others live here and are
    mirrored to the store.
    """

    __slots__ = (
        "_small",
        "alias",
        "args",
        "arrival",
        "attempt",
        "cancel_asked",
        "context",
        "counted",
        "delay",
        "done",
        "durable",
        "failures",
        "fence",
        "fingerprint",
        "held",
        "interruptions",
        "journal",
        "kwargs",
        "lane",
        "launch_on_commit",
        "payload",
        "ready_at",
        "record",
        "registered",
        "released",
        "replace_original",
        "requeue",
        "stored",
        "timer",
        "unreadable",
    )

    def __init__(
        self,
        record: TaskRecord,
        registered: Registered,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        durable: bool,
    ) -> None:
        self.record = record
        self.registered = registered
        self.args = args
        self.kwargs = kwargs
        self._small: bool | None = None
        self.durable = durable
        self.context: contextvars.Context | None = None
        self.payload: bytes | None = None
        self.fingerprint: bytes | None = None
        self.requeue = registered.config.requeue_on_interrupt
        self.replace_original = False
        # If an equal task holds the key, this id stays known as an alias of it.
        self.alias = True
        # Why the stored arguments cannot be read.
        self.unreadable: Exception | None = None
        # The arguments are let go: what is here in their place are not they.
        self.released = False
        self.delay = 0.0
        self.fence = 1
        self.failures = 0
        self.interruptions = 0
        self.arrival = next(_arrivals)
        # When it became due, or arrived, by the monotonic clock: its place in line.
        self.ready_at = 0.0
        # The task is in the store (inserted, or mirrored at least once).
        self.stored = False
        # This instance holds the lease, or owns the task's only copy.
        self.held = False
        self.lane = False
        self.cancel_asked = False
        # Dispatch as soon as the insert is committed (a lane task waits for its chain).
        self.launch_on_commit = False
        # Counts as never started in its queue's `QueueState.unstarted`.
        self.counted = False
        self.attempt: Attempt | None = None
        # Waits for a due time (retry or delay) that is kept in memory.
        self.timer: asyncio.TimerHandle | None = None
        # The log, from its first line here.
        self.journal: Journal | None = None
        # Resolved when the task is terminal here.
        self.done: asyncio.Future[TaskRecord] | None = None

    @property
    def is_small(self) -> bool:
        """The arguments are few plain values; see `codec.is_small`."""
        if self._small is None:
            self._small = is_small(self.args, self.kwargs)
        return self._small

    def give(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Set the arguments of the next attempt."""
        self.args, self.kwargs, self._small = args, kwargs, None

    @property
    def lease(self) -> Lease:
        return Lease(self.record.task_id, self.fence)

    def release(self) -> None:
        """Hold the arguments no longer; whoever needs them again reads what was stored.

        A few short texts and numbers may stay: they hold nothing, and records show them.
        """
        if self.durable:
            self.payload = None
        if not self.is_small:
            self.released = True
            self.give((), {})
            self.record.args, self.record.kwargs = (), {}

    def order(self) -> tuple[int, float, int]:
        """Sort key within a queue: highest priority, then due time, then arrival."""
        return (-(self.record.priority or 0), self.ready_at, self.arrival)

    def write_line(self, line: str, most_lines: int) -> bool:
        """Add to the log, from any thread; True if somebody has to be told of new lines."""
        return (self.journal or self._opened(most_lines)).add(line)

    def separate(self, line: str, most_lines: int) -> None:
        """Add a line that is worth no write of its own."""
        (self.journal or self._opened(most_lines)).add(line, quiet=True)

    def _opened(self, most_lines: int) -> Journal:
        with _opening:
            journal = self.journal = self.journal or Journal(self.record.logs, most_lines)
        return journal

    def take_logs(self) -> Unsent:
        """Log lines that were not handed out yet."""
        return _NOTHING if self.journal is None else self.journal.take()

    def all_logs(self, stored: list[str]) -> list[str]:
        """The whole log, of which the store knows ``stored``."""
        return list(stored) if self.journal is None else self.journal.shown(stored)

    def give_back_logs(self, unsent: Unsent) -> None:
        """The store did not take them."""
        if self.journal is not None and unsent.lines:
            self.journal.give_back(unsent)


class TaskStore:
    """Records by id, without waiting for the store.

    Bounded: the live tasks of this instance, the newest ``keep`` others (finished here, or
    waiting in the backend for any instance), and as many that had ended before the start.
    Read it from any thread; only the engine writes.
    """

    def __init__(self, keep: int = 1_000) -> None:
        self._keep = keep
        self._live: dict[str, LiveTask] = {}
        self._recent: OrderedDict[str, LiveTask] = OrderedDict()
        self._by_key: dict[str, str] = {}
        self._earlier = Earlier()

    def get(self, task_id: str) -> TaskRecord | None:
        """The record of a task that this instance knows, else None."""
        task = self.find(task_id)
        return self._earlier.records.get(task_id) if task is None else task.record

    def list(self) -> list[TaskRecord]:
        """All records held, newest first."""
        tasks = [*self._live.values(), *self._recent.values()]
        tasks.sort(key=lambda task: task.arrival, reverse=True)
        records = {task.record.task_id: task.record for task in tasks}
        earlier = self._earlier.records.items()
        return [*records.values(), *(one for id_, one in earlier if id_ not in records)]

    def find_by_idempotency_key(self, key: str) -> TaskRecord | None:
        """The record known here that was added with this key, else None."""
        task_id = self._by_key.get(key) or self._earlier.keys.get(key)
        return None if task_id is None else self.get(task_id)

    # For the engine

    def find(self, task_id: str) -> LiveTask | None:
        return self._live.get(task_id) or self._recent.get(task_id)

    def ending(self, text: str) -> Iterable[str]:
        """The ids that end so."""
        return [each for each in (*self._recent, *self._live) if each.endswith(text)]

    def remember(self, earlier: Earlier) -> None:
        """What had ended before this start, in place of what had before the last one."""
        self._earlier = earlier

    def held(self) -> Iterable[LiveTask]:
        """The live tasks, in no order; safe against changes while iterating."""
        return list(self._live.values())

    def __len__(self) -> int:
        return len(self._live)

    def add(self, task: LiveTask) -> None:
        record = task.record
        self._live[record.task_id] = task
        if self._recent:
            self._recent.pop(record.task_id, None)
        if record.idempotency_key is not None:
            self._by_key[record.idempotency_key] = record.task_id

    def settle(self, task: LiveTask) -> None:
        """The task is not live here any more: it ended, or another instance may have it."""
        task.release()
        task_id = task.record.task_id
        # Another claim of it may live here by now, or it was settled for a dead instance.
        if self._live.get(task_id) is not task:
            return
        del self._live[task_id]
        self._recent[task_id] = task
        while len(self._recent) > self._keep:
            _, old = self._recent.popitem(last=False)
            self._forget_key(old)

    def drop(self, task: LiveTask) -> None:
        """The task was never accepted, or its record is gone."""
        self._live.pop(task.record.task_id, None)
        self._recent.pop(task.record.task_id, None)
        self._forget_key(task)

    def purge(self, before: datetime) -> tuple[str, ...]:
        """Forget what ended before an instant; the ids of it."""
        old = [
            task
            for task in self._recent.values()
            if task.record.status in TERMINAL
            and task.record.end_time is not None
            and task.record.end_time < before
        ]
        for task in old:
            self.drop(task)
        return (*(task.record.task_id for task in old), *self._earlier.purge(before))

    def forget(self, task_id: str) -> None:
        """The task's record is gone."""
        self._earlier.records.pop(task_id, None)
        task = self.find(task_id)
        if task is not None:
            self.drop(task)

    def overlay(self, record: TaskRecord) -> TaskRecord:
        """The newer of a stored record and what this instance knows of it.

        A terminal stored state is final. A live one may lag behind what happened here. An
        alias shows its task, under its own id.
        """
        if record.status in TERMINAL:
            return record
        task = self.find(record.duplicate_of or record.task_id)
        if task is None or not (task.held or task.record.status in TERMINAL):
            return record
        if record.duplicate_of is None:
            return task.record
        return replace(task.record, task_id=record.task_id, duplicate_of=record.duplicate_of)

    def _forget_key(self, task: LiveTask) -> None:
        key = task.record.idempotency_key
        if key is not None and self._by_key.get(key) == task.record.task_id:
            del self._by_key[key]
