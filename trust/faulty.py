"""A store that fails at one call, or at every n-th: before it worked, or after."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.backends.base import Backend
from trust.forwarding import Forwarding

__all__ = ["Fault", "FaultyBackend"]

T = TypeVar("T")


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
        repeating: Every ``n``-th call goes wrong.
        delay: Seconds that a slow call takes longer.
    """

    def __init__(
        self,
        inner: Backend,
        fault: Fault = Fault.REFUSED,
        n: int = 0,
        *,
        repeating: bool = False,
        delay: float = 0.2,
    ) -> None:
        super().__init__(inner)
        self._fault = fault
        self._n = n
        self._repeating = repeating
        self._delay = delay
        # Protects the counts: heartbeats come from a thread of their own.
        self._lock = threading.Lock()
        self._down: Fault | None = None
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
        self._down = None

    def fall(self, fault: Fault = Fault.REFUSED) -> None:
        """Every call fails from now on."""
        self._down = fault

    async def around(self, verb: str, asked: Sequence[Any], call: Callable[[], Awaitable[T]]) -> T:
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

    def around_beat(self, call: Callable[[], bool]) -> bool:
        fault = self._strikes("beat")
        if fault is Fault.REFUSED:
            raise _unavailable("beat")
        answer = call()
        if fault is Fault.LOST:
            raise _unavailable("beat")
        return answer

    def _strikes(self, verb: str) -> Fault | None:
        with self._lock:
            self.calls.append(verb)
            number = len(self.calls)
            chosen = number % self._n == 0 if self._repeating and self._n else number == self._n
            if self._down is not None:
                return self._down
            if not chosen:
                return None
            self.struck.append(verb)
            return self._fault


def _unavailable(verb: str) -> StoreUnavailable:
    return StoreUnavailable(f"The task store does not answer: {verb} was made to fail.")
