"""The limits of one queue, as users write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.rates import rate

__all__ = ["QueueConfig"]

# Stores count in microseconds.
_SHORTEST_STEP_SECONDS = 0.001


@dataclass
class QueueConfig:
    """Limits of one queue.

    Args:
        concurrency: Tasks of this queue that one instance runs at a time; None: no limit.
        max_size: Tasks that may wait unstarted in the whole store; None: no limit.
        paused: Nothing of the queue starts while True.
        global_concurrency: Tasks of this queue that all instances together hold or run at a
            time; None: no limit.
        rate_limit: Starts in all instances together, such as ``"100/m"``; None: any number.

        dispatch: ``"local"``: the instance that accepts a task keeps it if it has a slot free;
            ``"shared"``: any instance with a free slot takes it, the highest priority first.
        ageing: Seconds for which a task waits until its priority counts as one higher, and so on:
            what waits is passed by what is urgent, and not for ever. None: it stays as it is.

    Raises:
        ConfigurationError: a limit that cannot work.
    """

    concurrency: int | None = None
    max_size: int | None = None
    paused: bool = False
    global_concurrency: int | None = None
    rate_limit: str | None = None
    dispatch: Literal["local", "shared"] = "local"
    ageing: float | None = None

    def __post_init__(self) -> None:
        self.concurrency = limits.optional(limits.whole, "concurrency", self.concurrency, least=1)
        self.max_size = limits.optional(limits.whole, "max_size", self.max_size, least=0)
        self.paused = limits.switch("paused", self.paused)
        most = limits.optional(limits.whole, "global_concurrency", self.global_concurrency, least=1)
        self.global_concurrency = most
        limits.one_of("dispatch", self.dispatch, ("local", "shared"))
        self.rate_limit = limits.optional(rate, "rate_limit", self.rate_limit)
        self.ageing = limits.optional(limits.span, "ageing", self.ageing, above=True)
        if self.ageing is not None:
            self.ageing = max(self.ageing, _SHORTEST_STEP_SECONDS)
