"""Slots and waiting lines of this instance.

A task needs a slot of its queue and one of its pool (event loop, threads). Waiting tasks
stand in one line per (queue, pool), so that a full pool never blocks the other one.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi_taskflow.backends.rules.pausing import NO_PAUSES, Pauses, paused_thing
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.core.queuestate import QueueState
from fastapi_taskflow.words.models import QueueConfig

__all__ = ["Queues"]


class Queues:
    """All queues and pools of this instance."""

    def __init__(self, configs: Mapping[str, QueueConfig], pools: Iterable[Pool]) -> None:
        self.pools = {pool.name: pool for pool in pools}
        # Protects the `unstarted` counts, which any thread that adds a task changes.
        self._lock = threading.Lock()
        self.pauses = NO_PAUSES
        self._states = {name: QueueState(name, config) for name, config in configs.items()}
        # Tasks that stand in any line.
        self.standing = 0
        # Own changes of stored settings: under way, and done.
        self._writes = 0
        self._editions = 0
        # One after the other, so that the last one said is the last one stored.
        self.order = asyncio.Lock()
        # Changes that hold here already and are not stored yet, by queue.
        self.unstored: deque[tuple[str, Mapping[str, Any]]] = deque()

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
        """How many tasks may wait unstarted, of the queues that have a limit."""
        return {q.name: q.room for q in self if q.room is not None}

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
        return None if self._writes or self.unstored else self._editions

    def override(self, name: str, stored: Mapping[str, Any]) -> None:
        """Take the stored settings of one queue; what is not stored yet still holds."""
        state = self.get(name)
        state.override(stored)
        for queue, changes in tuple(self.unstored):
            if queue == name:
                state.change(changes)

    def apply(self, stored: Mapping[str, Mapping[str, Any]]) -> bool:
        """Take the stored settings of all queues; True if a queue may now run more."""
        before = {q.name: q.free for q in self}
        for name in {*self._states, *stored}:
            if paused_thing(name) is None:
                self.override(name, stored.get(name, {}))
        paused = [name for name in stored if stored[name].get("paused")]
        former, self.pauses = self.pauses, Pauses.of(paused)
        if former[1:] != self.pauses[1:]:
            return True
        return any(q.free > before.get(q.name, 0) for q in self)

    @property
    def running(self) -> int:
        """Tasks that have their slots."""
        return sum(state.running for state in self._states.values())

    def admit(self, task: LiveTask) -> bool:
        """Count a new task towards ``max_size``; False if its queue is full. Any thread."""
        state = self.get(task.record.queue)
        room = state.room
        if room is None:
            return True
        with self._lock:
            if state.unstarted >= room:
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
        """Take the next waiting task for which both slots are free, with its slots.

        Of several queues it is the first of all their first ones, as for the store: no queue waits
        until another one is empty.
        """
        first = None
        for state in self._states.values():
            if not state.lines or state.free <= 0:
                continue
            for name, line in state.lines.items():
                pool = self.pools[name]
                if line and pool.free(durable=line[0][2].durable) > 0:
                    turn = line[0][1]
                    if first is None or turn < first[0]:
                        first = (turn, line, state, pool)
        if first is None:
            return None
        _, line, state, pool = first
        self.standing -= 1
        state.running += 1
        pool.running += 1
        return heapq.heappop(line)[2]
