"""One queue on this instance: its limits, and who waits in it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi_taskflow.engine.core.live import LiveTask, Turn
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.models import QueueConfig
from fastapi_taskflow.words.rates import limit_of, rate

__all__ = ["QueueState"]

_UNLIMITED = 1 << 62


class QueueState:
    """One queue on this instance: its limits, what runs, who waits.

    Invariant: ``running`` counts the tasks of this queue between `Queues.take` and
    `Queues.release`. A smaller limit never stops what runs; it only starts nothing new.
    """

    __slots__ = (
        "_code",
        "ageing",
        "concurrency",
        "draining",
        "finished",
        "global_concurrency",
        "limit",
        "lines",
        "max_size",
        "name",
        "paused",
        "rate_limit",
        "rejected",
        "reserved",
        "running",
        "shared",
        "unstarted",
    )

    def __init__(self, name: str, config: QueueConfig) -> None:
        self.name = name
        self._code = config
        # Its tasks are nobody's until somebody has a slot for them.
        self.shared = config.dispatch == "shared"
        # Seconds of waiting that count as one priority.
        self.ageing = config.ageing
        self.running = 0
        # Slots reserved for new tasks, while those beside them are looked at.
        self.reserved = 0
        # Since this instance's start.
        self.finished = 0
        self.rejected = 0
        # PENDING tasks that this instance accepted or holds and that never started.
        self.unstarted = 0
        # Of each task its turn here and among all queues, as they were when it came: its record
        # is in the hands of users.
        self.lines: dict[str, list[tuple[Turn, Turn, LiveTask]]] = {}
        self.override({})

    def override(self, stored: Mapping[str, Any]) -> None:
        """Take stored settings over those of the code; what is absent falls back to it."""
        self.concurrency = _limit(stored, "concurrency", self._code.concurrency)
        self.max_size = _limit(stored, "max_size", self._code.max_size)
        self.paused = bool(stored.get("paused", self._code.paused))
        self.draining = bool(stored.get("draining"))
        most = _limit(stored, "global_concurrency", self._code.global_concurrency)
        self.global_concurrency = most
        self.rate_limit = _rate(stored, self._code.rate_limit)
        self.limit = limit_of(self.global_concurrency, self.rate_limit)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Take new settings; what is absent stays as it is."""
        self.concurrency = settings.get("concurrency", self.concurrency)
        self.max_size = settings.get("max_size", self.max_size)
        self.paused = settings.get("paused", self.paused)
        self.global_concurrency = settings.get("global_concurrency", self.global_concurrency)
        self.rate_limit = settings.get("rate_limit", self.rate_limit)
        self.limit = limit_of(self.global_concurrency, self.rate_limit)

    @property
    def room(self) -> int | None:
        """How many tasks may wait in it unstarted; None: any number."""
        return 0 if self.draining else self.max_size

    @property
    def free(self) -> int:
        if self.paused:
            return 0
        return _UNLIMITED if self.concurrency is None else self.concurrency - self.running

    def push(self, pool: str, task: LiveTask) -> None:
        turn = task.order()
        here = turn if self.ageing is None else task.order(self.ageing)
        heapq.heappush(self.lines.setdefault(pool, []), (here, turn, task))

    def tasks(self) -> Iterator[LiveTask]:
        for line in self.lines.values():
            for *_, task in line:
                yield task

    def discard(self, task: LiveTask) -> bool:
        """Take a waiting task out of its line, wherever it stands; False if it stands nowhere."""
        for line in self.lines.values():
            for index, (*_, other) in enumerate(line):
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


def _rate(stored: Mapping[str, Any], otherwise: str | None) -> str | None:
    """As `_limit`, of a rate."""
    found = stored.get("rate_limit", otherwise)
    try:
        return None if found is None else rate("rate_limit", found)
    except ConfigurationError:
        return otherwise
