"""Group writes without a timer: a write starts at once, what arrives meanwhile is the next.

An idle store answers a single item without added latency; a busy one gets batches that
grow with the load. Items carry a callback instead of a future, which halves their cost.
An item that cannot be stored parts from its batch.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.engine.core.supervisor import Supervisor
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["GroupCommit", "in_parts"]

logger = logging.getLogger(__name__)

Q = TypeVar("Q")
A = TypeVar("A")

# One transaction of this many rows takes about 10 ms on SQLite: long enough to amortise
# an fsync, short enough to keep other writers waiting for less than a frame.
LIMIT = 500


class GroupCommit(Generic[Q, A]):
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
        begin = 0
        async for size, answers, error in in_parts([item for item, _ in batch], self._write):
            part, begin = batch[begin : begin + size], begin + size
            found: Sequence[A | None] = [None] * size if answers is None else answers
            for (_, done), answer in zip(part, found, strict=True):
                try:
                    done(answer, error)
                except Exception as exc:  # a waiter's defect must not take others' answers
                    text = "A callback of the %s batch failed"
                    notify(logger, logging.ERROR, text, self._name, error=exc)


async def in_parts(
    items: Sequence[Q], write: Callable[[list[Q]], Awaitable[Sequence[A]]]
) -> AsyncIterator[tuple[int, Sequence[A] | None, Exception | None]]:
    """Write items with as few calls as possible, so that one that cannot be stored parts.

    Yields, for the items in their order, how many the next part has, and their answers or
    why there are none. That is `StoreUnavailable` for what the store did not take now, and
    anything else for one item, which it will never take.
    """
    left = [list(items)]
    while left:
        part = left.pop()
        try:
            answers = await write(part)
        except StoreUnavailable as exc:
            yield len(part) + sum(map(len, left)), None, exc
            return
        except Exception as exc:  # handed to whoever sent the one that is at fault
            if len(part) == 1:
                yield 1, None, exc
            else:
                half = len(part) // 2
                left += [part[half:], part[:half]]
        else:
            yield len(part), answers, None
