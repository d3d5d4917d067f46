"""Finding dead instances and settling what they left.

Recovery is a claim of a dead instance's tasks: the store hands them over with new fences,
and each claim is ended like any other. Startup recovery is the same code.

An instance is dead when its file lock is free, or when its heartbeat counter stood still
for its whole time-to-live while our own heartbeats were stored: from when it was read first
to when it was asked for last. Clocks of two machines are never compared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi_taskflow.backends.base import Backend, Claimed, Peer
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.words.clock import Clock

__all__ = ["Moment", "Recovery"]

logger = logging.getLogger(__name__)

_BATCH = 200


class Moment(NamedTuple):
    """A time by our own monotonic clock, and by the count of our own beats."""

    seconds: float
    beats: int


class _Stopwatch(NamedTuple):
    """A peer's counter, and since when it has stood."""

    counter: int
    since: Moment


class Recovery:
    """Watches the other instances.

    Args:
        interval: Seconds between two of our own heartbeats.
        recovered: Takes over a dead instance's task: PENDING (never started) or RUNNING.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        *,
        interval: float,
        instance: Callable[[], str],
        recovered: Callable[[Claimed], None],
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._instance = instance
        self._recovered = recovered
        self._interval = interval
        self._beats = 0
        self._watches: dict[str, _Stopwatch] = {}
        # Rows that the store said are ours while we did not hold them, at the last look.
        self._strays: frozenset[tuple[str, int]] = frozenset()

    def beaten(self, *, stored: bool) -> None:
        """Our own heartbeat was stored, or failed: then standstill of others proves nothing."""
        if stored:
            self._beats += 1
        else:
            self._watches.clear()

    def now(self) -> Moment:
        return Moment(self._clock.monotonic(), self._beats)

    async def look(self, peers: Sequence[Peer], asked: Moment) -> None:
        """Recover from every peer that was dead at the moment when the store was asked for them."""
        others = [peer for peer in peers if peer.info.instance_id != self._instance()]
        known = {peer.info.instance_id for peer in others}
        self._watches = {name: w for name, w in self._watches.items() if name in known}
        # All before the first take-over: while that waits for locks, what was read grows old.
        dead = [peer for peer in others if peer.gone or self._stands_still(peer, asked)]
        for peer in dead:
            await self._take_over(peer)

    async def strays(self, held: Callable[[Claimed], bool]) -> list[Claimed]:
        """Rows that the store says are ours and that we do not hold, seen twice in a row.

        A row is seen once while a claim's answer is on its way; twice means it was lost.
        """
        rows = await self._backend.owned(self._instance())
        missing = [row for row in rows if not held(row)]
        seen_again = [row for row in missing if tuple(row.lease) in self._strays]
        self._strays = frozenset((row.lease.task_id, row.lease.fence) for row in missing)
        return seen_again

    def _stands_still(self, peer: Peer, asked: Moment) -> bool:
        watch = self._watches.get(peer.info.instance_id)
        if watch is None or watch.counter != peer.counter:
            self._watches[peer.info.instance_id] = _Stopwatch(peer.counter, self.now())
            return False
        # If this process itself was frozen (with the whole machine, say), its clock ran on
        # and its heart did not: then the peer gets as many beats as we had.
        beats = peer.info.ttl / self._interval - 1
        since = watch.since
        return asked.seconds - since.seconds >= peer.info.ttl and asked.beats - since.beats >= beats

    async def _take_over(self, peer: Peer) -> None:
        dead = peer.info.instance_id
        logger.warning(
            "Instance %s (pid %s on %s) is dead; recovering its tasks",
            dead,
            peer.info.pid,
            peer.info.host,
        )
        total = 0
        while True:
            claims = await self._backend.recover(self._instance(), dead, limit=_BATCH)
            for claim in claims:
                try:
                    self._recovered(claim)
                except Exception as exc:  # whatever is wrong with it, others wait behind it
                    text = "Task %s of a dead instance could not be ended"
                    notify(logger, logging.ERROR, text, claim.lease.task_id, error=exc)
            total += len(claims)
            if len(claims) < _BATCH:
                break
        self._watches.pop(dead, None)
        logger.info("Recovered %d tasks of instance %s", total, dead)
