"""Several observers as one, none of which can harm another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from fastapi_taskflow.loggers.base import (
    LifecycleEvent,
    LogEvent,
    TaskEvent,
    TaskObserver,
    rank,
)
from fastapi_taskflow.loggers.feed import Feed
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["LoggerChain"]


class LoggerChain(TaskObserver):
    """Gives every event to each of several observers, through a bounded queue of its own.

    A call returns when all observers have taken its events. One that is slower than
    ``patience`` is left behind with its queue and is not waited for again until it has
    caught up; what its queue cannot hold is dropped and counted. One that raises is
    logged once, then counted.

    Args:
        loggers: Who listens. Each filters by its own ``min_level``.
        patience: Seconds that a call waits for an observer, and that each gets to start
            and to close.

    Raises:
        ConfigurationError: something among them is not a `TaskObserver`.
    """

    def __init__(self, loggers: Iterable[TaskObserver] = (), *, patience: float = 1.0) -> None:
        self.observers = tuple(limits.several("loggers", "a list of TaskObserver", loggers))
        for observer in self.observers:
            if not isinstance(observer, TaskObserver):
                raise ConfigurationError(
                    f"LoggerChain takes TaskObserver instances, got {quoted(observer)}. "
                    "Derive its class from fastapi_taskflow.TaskObserver."
                )
        super().__init__(min((each.min_level for each in self.observers), key=rank, default="info"))
        self._patience = patience
        self._feeds = [Feed(observer) for observer in self.observers]

    @property
    def failures(self) -> dict[str, int]:
        """Failed calls since the start, by class name of the observer; only those that failed."""
        return _by_name((feed, feed.failures) for feed in self._feeds)

    @property
    def dropped(self) -> dict[str, int]:
        """Events dropped since the start, by class name of the observer."""
        return _by_name((feed, feed.dropped) for feed in self._feeds)

    async def startup(self) -> None:
        await asyncio.gather(*(feed.startup(self._patience) for feed in self._feeds))

    async def close(self) -> None:
        await asyncio.gather(*(feed.close(self._patience) for feed in self._feeds))

    async def on_log(self, event: LogEvent) -> None:
        await self.on_events([event])

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        await self.on_events([event])

    async def on_events(self, events: Sequence[TaskEvent]) -> None:
        """Queue the batch for all; wait for those that had caught up before it."""
        prompt = [feed for feed in self._feeds if feed.idle]
        for feed in self._feeds:
            feed.offer(events)
        await asyncio.gather(*(feed.settle(self._patience) for feed in prompt))


def _by_name(counts: Iterable[tuple[Feed, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for feed, count in counts:
        totals[type(feed.observer).__name__] += count
    return dict(+totals)
