"""A store that fails at one call, or at many: before it worked, or after."""

from __future__ import annotations

import asyncio
import random
import threading
from enum import Enum
from typing import Any, TypeVar

from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding

__all__ = ["Fault", "FaultyBackend"]

T = TypeVar("T")

# What an engine asks of a store, at the most, to start.
_HEALTHY = 8
# Asked over and over while nothing happens.
_POLLS = frozenset({"beat", "claim", "due", "next_due", "owned", "signals"})


class Fault(Enum):
    """What goes wrong."""

    REFUSED = "nothing was done, and the caller is told so"
    LOST = "it was done, and the answer is lost"
    SLOW = "it is done late"


class FaultyBackend(Forwarding):
    """Counts calls of all verbs, heartbeats included, and fails some of them.

    Args:
        fault: What goes wrong at the chosen calls.
        n: The number of the call that goes wrong, from 1; 0: none does.
        polls: Of each verb that is asked over and over, only so many calls are numbered, so
            that a slow machine does not make more calls that can go wrong; 0: all are.
        odds: Instead, so many of all calls go wrong, chosen by the seed ``n``, but for the first
            few, so that an engine can start, and for heartbeats, each failure of which
            makes a watcher patient. (Every n-th call would fall into step with what is
            tried again.)
        delay: Seconds that a slow call takes longer.
    """

    def __init__(
        self,
        inner: Backend,
        fault: Fault = Fault.REFUSED,
        n: int = 0,
        *,
        polls: int = 0,
        odds: float = 0.0,
        delay: float = 0.2,
    ) -> None:
        super().__init__(inner)
        self._fault = fault
        self._n = n
        self._polls = polls
        self._numbered = 0
        self._odds = odds
        self._random = random.Random(n)
        self._delay = delay
        # Protects the counts: heartbeats come from a thread of their own.
        self._lock = threading.Lock()
        self._down: Fault | None = None
        # Verbs that fail while it is down; empty: all.
        self._verbs: frozenset[str] = frozenset()
        self.calls: list[str] = []
        # The calls that went wrong.
        self.struck: list[str] = []

    @property
    def fallen(self) -> bool:
        """Every call fails."""
        return self._down is not None

    def heal(self) -> None:
        """No further faults."""
        self._n = 0
        self._odds = 0.0
        self._down = None

    def fall(self, *verbs: str, fault: Fault = Fault.REFUSED) -> None:
        """Every call (of these verbs) fails from now on."""
        self._verbs = frozenset(verbs)
        self._down = fault

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        fault = self._strikes(verb)
        # An opening that fails has left nothing open.
        if fault is Fault.REFUSED or (fault is Fault.LOST and verb == "open"):
            raise _unavailable(verb)
        if fault is Fault.SLOW:
            await asyncio.sleep(self._delay)
        answer = await call()
        if fault is Fault.LOST:
            raise _unavailable(verb)
        return answer

    def _strikes(self, verb: str) -> Fault | None:
        with self._lock:
            self.calls.append(verb)
            chosen = self._drawn(verb) if self._odds else self._is_the_one(verb)
            if self._down is not None and (not self._verbs or verb in self._verbs):
                return self._down
            if not chosen:
                return None
            self.struck.append(verb)
            return self._fault

    def _drawn(self, verb: str) -> bool:
        spared = len(self.calls) <= _HEALTHY or verb == "beat"
        return not spared and self._random.random() < self._odds

    def _is_the_one(self, verb: str) -> bool:
        if self._polls and verb in _POLLS and self.calls.count(verb) > self._polls:
            return False
        self._numbered += 1
        return self._numbered == self._n


def _unavailable(verb: str) -> StoreUnavailable:
    return StoreUnavailable(f"The task store does not answer: {verb} was made to fail.")
