"""From the event loop to the writer's thread and back: what belongs together goes together.

While a batch is with the thread, new jobs gather on the loop. When its answers come, those
who waited for them have a few turns of the loop to hand in what follows from them: the
start of a task after its insert, its end after its start. One commit for all of that costs
less than one for each, and under load it is done sooner. On an idle loop, a turn takes some
microseconds.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Sequence
from contextlib import suppress

from fastapi_taskflow.backends.sqlite.jobs import Answer, Job, resolve
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Handover"]

# Keeps one transaction, and so others' wait for the write lock, at some tens of milliseconds.
_MOST_JOBS = 256
# A batcher's next write comes one turn after its answer, the end of a task that never waits
# two turns after its start's. More of them gather no more.
_TURNS_AFTER_ANSWERS = 3


class Handover:
    """Made on the event loop that its jobs are of."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Job] = []
        self._closed = False
        # Invariant: False only while no batch is on its way, with the thread or back, and no
        # turn is awaited. So there is at most one batch, and somebody will look at _gathered.
        self._busy = False
        self._batches: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()

    # On an event loop

    def add(self, job: Job) -> None:
        """Take a job; its future gets the answer after the commit.

        From another event loop it comes here first: one app may be served on two, such as by
        a second test client.

        Raises:
            StoreUnavailable: the store's event loop has ended.
        """
        if asyncio.get_running_loop() is self._loop:
            self._take_in(job)
            return
        try:
            self._loop.call_soon_threadsafe(self._take_in, job)
        except RuntimeError as exc:
            raise StoreUnavailable("The event loop of the task store has ended.") from exc

    def _take_in(self, job: Job) -> None:
        if self._closed:
            closed = StoreUnavailable("The task store is closed.")
            resolve([(job, (None, closed))], self._loop)
            return
        self._gathered.append(job)
        if not self._busy:
            self._busy = True
            # Not at once: what others hand in during this turn goes with it.
            self._loop.call_soon(self._hand_over, 0)

    def close(self) -> None:
        """Hand over all that has gathered; nothing may be added any more."""
        self._closed = True
        gathered, self._gathered = self._gathered, []
        for begin in range(0, len(gathered), _MOST_JOBS):
            self._batches.put(gathered[begin : begin + _MOST_JOBS])
        self._batches.put(None)

    def _hand_over(self, turns: int) -> None:
        if turns > 0:
            self._loop.call_soon(self._hand_over, turns - 1)
            return
        batch, self._gathered = self._gathered[:_MOST_JOBS], self._gathered[_MOST_JOBS:]
        self._busy = bool(batch)
        if batch:
            self._batches.put(batch)

    def _answered(self, answers: Sequence[tuple[Job, Answer]]) -> None:
        resolve(answers, self._loop)
        self._hand_over(_TURNS_AFTER_ANSWERS)

    # In the thread

    def take(self, timeout: float) -> Sequence[Job] | None:
        """The next batch; empty if there is none for so many seconds, None after the last."""
        try:
            return self._batches.get(timeout=timeout)
        except queue.Empty:
            return ()

    def answer(self, answers: Sequence[tuple[Job, Answer]]) -> None:
        """Bring answers back: one call into the event loop for a whole batch."""
        with suppress(RuntimeError):  # the loop was closed; nobody waits any more
            self._loop.call_soon_threadsafe(self._answered, answers)
