"""The tasks that this instance knows of right now: its own, and a bounded number of others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi_taskflow.engine.core.earlier import Earlier
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["TaskStore"]

# States in which a task's idempotency key keeps others from being made.
_HOLDING = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.SUCCESS})


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

    def holder(self, key: str, ttl: float) -> LiveTask | None:
        """The task that holds a key as far as is known here, ``ttl`` seconds after success."""
        record = self.find_by_idempotency_key(key)
        if record is None or record.status not in _HOLDING:
            return None
        if record.end_time is not None and datetime.now(UTC) - record.end_time >= timedelta(
            seconds=ttl
        ):
            return None
        return self.find(record.task_id)

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
