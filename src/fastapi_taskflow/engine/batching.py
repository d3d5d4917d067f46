"""Group writes without a timer: a write starts at once, what arrives meanwhile is the next.

An idle store answers a single item without added latency; a busy one gets batches that
grow with the load. Items carry a callback instead of a future, which halves their cost.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from fastapi_taskflow.engine.supervisor import Supervisor

__all__ = ["Batcher"]

logger = logging.getLogger(__name__)

Q = TypeVar("Q")
A = TypeVar("A")

# One transaction of this many rows takes about 10 ms on SQLite: long enough to amortise
# an fsync, short enough to keep other writers waiting for less than a frame.
LIMIT = 500


class Batcher(Generic[Q, A]):
    """Collects items and writes them with one call at a time.

    Args:
        name: For the supervisor's log.
        write: Writes a batch and answers in its order.
        supervisor: Holds the writing task.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[Q]], Awaitable[Sequence[A]]],
        supervisor: Supervisor,
    ) -> None:
        self._name = name
        self._write = write
        self._supervisor = supervisor
        self._waiting: list[tuple[Q, Callable[[A | None, Exception | None], None]]] = []
        # Invariant: True iff a pump task is alive and will look at _waiting again.
        self._pumping = False

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, item: Q, done: Callable[[A | None, Exception | None], None]) -> None:
        """Write ``item``; call ``done(answer, None)`` or ``done(None, error)`` on the loop."""
        self._waiting.append((item, done))
        if not self._pumping:
            self._pumping = True
            self._supervisor.spawn(self._pump(), f"write {self._name}")

    async def _pump(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LIMIT], self._waiting[LIMIT:]
                await self._flush(batch)
        finally:
            self._pumping = False

    async def _flush(
        self, batch: list[tuple[Q, Callable[[A | None, Exception | None], None]]]
    ) -> None:
        answers: Sequence[A | None]
        error: Exception | None = None
        try:
            answers = await self._write([item for item, _ in batch])
        except Exception as exc:  # handed to every waiter, who knows what to do about it
            answers, error = [None] * len(batch), exc
        for (_, done), answer in zip(batch, answers, strict=True):
            try:
                done(answer, error)
            except Exception:  # one waiter's defect must not take its neighbours' answers
                logger.exception("A callback of the %s batch failed", self._name)
