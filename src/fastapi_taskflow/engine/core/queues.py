"""Slots and waiting lines of this instance.

A task needs a slot of its queue and one of its pool (event loop, threads). Waiting tasks
stand in one line per (queue, pool), so that a full pool never blocks the other one.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["QueueState", "Queues"]

logger = logging.getLogger(__name__)

_UNLIMITED = 1 << 62


class QueueState:
    """One queue on this instance: its limits, what runs, who waits.

    Invariant: ``running`` counts the tasks of this queue between `Queues.take` and
    `Queues.release`. A smaller limit never stops what runs; it only starts nothing new.
    """

    __slots__ = (
        "_code",
        "concurrency",
        "finished",
        "lines",
        "max_size",
        "name",
        "paused",
        "rejected",
        "reserved",
        "running",
        "unstarted",
    )

    def __init__(self, name: str, config: QueueConfig) -> None:
        self.name = name
        self._code = config
        self.running = 0
        # Slots reserved for new tasks, while those beside them are looked at.
        self.reserved = 0
        # Since this instance's start.
        self.finished = 0
        self.rejected = 0
        # PENDING tasks that this instance accepted or holds and that never started.
        self.unstarted = 0
        self.lines: dict[str, list[tuple[tuple[int, float, int], LiveTask]]] = {}
        self.concurrency = config.concurrency
        self.max_size = config.max_size
        self.paused = config.paused

    def override(self, stored: Mapping[str, Any]) -> None:
        """Take stored settings over those of the code; what is absent falls back to it."""
        self.concurrency = _limit(stored, "concurrency", self._code.concurrency)
        self.max_size = _limit(stored, "max_size", self._code.max_size)
        self.paused = bool(stored.get("paused", self._code.paused))

    def change(self, settings: Mapping[str, Any]) -> None:
        """Take new settings; what is absent stays as it is."""
        self.concurrency = settings.get("concurrency", self.concurrency)
        self.max_size = settings.get("max_size", self.max_size)
        self.paused = settings.get("paused", self.paused)

    @property
    def free(self) -> int:
        if self.paused:
            return 0
        return _UNLIMITED if self.concurrency is None else self.concurrency - self.running

    def push(self, pool: str, task: LiveTask) -> None:
        heapq.heappush(self.lines.setdefault(pool, []), (task.order(), task))

    def tasks(self) -> Iterator[LiveTask]:
        for line in self.lines.values():
            for _, task in line:
                yield task

    def discard(self, task: LiveTask) -> bool:
        """Take a waiting task out of its line, wherever it stands; False if it stands nowhere."""
        for line in self.lines.values():
            for index, (_, other) in enumerate(line):
                if other is task:
                    line[index] = line[-1]
                    line.pop()
                    heapq.heapify(line)
                    return True
        return False


def _limit(stored: Mapping[str, Any], name: str, otherwise: int | None) -> int | None:
    """A stored limit; what is no number, which only somebody else writes, counts as absent."""
    found = stored.get(name, otherwise)
    return found if found is None or type(found) is int else otherwise


class Queues:
    """All queues and pools of this instance."""

    def __init__(self, configs: Mapping[str, QueueConfig], pools: Iterable[Pool]) -> None:
        self.pools = {pool.name: pool for pool in pools}
        # Protects the `unstarted` counts, which any thread that adds a task changes.
        self._lock = threading.Lock()
        self._states = {name: QueueState(name, config) for name, config in configs.items()}
        # Tasks that stand in any line.
        self.standing = 0
        # Own changes of stored settings: under way, and done.
        self._writes = 0
        self._editions = 0

    def __iter__(self) -> Iterator[QueueState]:
        return iter(list(self._states.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._states

    def get(self, name: str) -> QueueState:
        """The queue of this name; one that only the store knows gets no limits."""
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = QueueState(name, QueueConfig())
        return state

    def names(self) -> list[str]:
        return list(self._states)

    def limits(self) -> dict[str, int]:
        """``max_size`` of the queues that have one."""
        return {q.name: q.max_size for q in self if q.max_size is not None}

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Write settings to the store inside, and take the answer over.

        What others have read of the store before the end of it is old; see `edition`.
        """
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1
            self._editions += 1

    @property
    def edition(self) -> int | None:
        """Differs after each own change of settings; None while one is under way."""
        return None if self._writes else self._editions

    def apply(self, stored: Mapping[str, Mapping[str, Any]]) -> bool:
        """Take the stored settings of all queues; True if a queue may now run more."""
        before = {q.name: q.free for q in self}
        for state in self:
            state.override(stored.get(state.name, {}))
        for name in stored.keys() - self._states.keys():
            self.get(name).override(stored[name])
        return any(q.free > before.get(q.name, 0) for q in self)

    @property
    def running(self) -> int:
        """Tasks that have their slots."""
        return sum(state.running for state in self._states.values())

    def admit(self, task: LiveTask) -> bool:
        """Count a new task towards ``max_size``; False if its queue is full. Any thread."""
        state = self.get(task.record.queue)
        if state.max_size is None:
            return True
        with self._lock:
            if state.unstarted >= state.max_size:
                return False
            state.unstarted += 1
            task.counted = True
        return True

    def uncount(self, task: LiveTask) -> None:
        """It started, ended, or waits in the store for any instance."""
        if task.counted:
            with self._lock:
                task.counted = False
                self.get(task.record.queue).unstarted -= 1

    def push(self, task: LiveTask) -> None:
        """Let a task stand in line."""
        self.get(task.record.queue).push(task.registered.executor, task)
        self.standing += 1

    def discard(self, task: LiveTask) -> None:
        """Take a waiting task out of its line."""
        self.standing -= self.get(task.record.queue).discard(task)

    def waiting_for(self, pool: str) -> int:
        """How many tasks stand in line for a pool."""
        return sum(len(state.lines.get(pool, ())) for state in self._states.values())

    def stands_in_line(self, task: LiveTask) -> bool:
        return any(other is task for other in self.get(task.record.queue).tasks())

    def may_run(self, task: LiveTask) -> bool:
        """A slot is free for this task, beside those who stand in line before it."""
        state = self.get(task.record.queue)
        pool = task.registered.executor
        waiting = len(state.lines.get(pool, ()))
        return state.free > waiting and self.pools[pool].free(durable=task.durable) > waiting

    def reserve(self, task: LiveTask) -> bool:
        """Count a slot for a new task until `unreserve`, if there is one beside all before it."""
        state, pool = self.get(task.record.queue), self.pools[task.registered.executor]
        waiting = len(state.lines.get(pool.name, ()))
        queue_free = state.free > waiting + state.reserved
        if queue_free and pool.free(durable=task.durable) > waiting + pool.reserved:
            task.reserved = True
            state.reserved += 1
            pool.reserved += 1
        return task.reserved

    def unreserve(self, task: LiveTask) -> None:
        """What comes beside the task has been looked at."""
        if task.reserved:
            task.reserved = False
            self.get(task.record.queue).reserved -= 1
            self.pools[task.registered.executor].reserved -= 1

    def take(self, task: LiveTask) -> None:
        self.get(task.record.queue).running += 1
        self.pools[task.registered.executor].running += 1

    def release(self, task: LiveTask) -> None:
        self.get(task.record.queue).running -= 1
        self.pools[task.registered.executor].running -= 1

    def next_ready(self) -> LiveTask | None:
        """Take the next waiting task for which both slots are free, with its slots."""
        for state in self._states.values():
            if not state.lines or state.free <= 0:
                continue
            for name, line in state.lines.items():
                pool = self.pools[name]
                if line and pool.free(durable=line[0][1].durable) > 0:
                    task = heapq.heappop(line)[1]
                    self.standing -= 1
                    state.running += 1
                    pool.running += 1
                    return task
        return None
