"""In which queues the store may have something to claim now.

An own insert, a freed slot, a due time or another instance says so. A hint may get lost:
the slow poll of `Claims` covers that.
"""

from __future__ import annotations

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.supervisor import Wakeup

__all__ = ["POLL_SECONDS", "Hints"]

POLL_SECONDS = 1.0
"""A hint may get lost; a due task is found after this long all the same."""


class Hints:
    """What the store may have for this instance. On the event loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wake = Wakeup()
        # Invariant: each of them is one that this instance claims from.
        self.queues: set[str] = set(filter(self.claims_from, core.queues.names()))
        # Another instance said so, which does not say when it is due.
        self.told = False

    def claims_from(self, queue: str) -> bool:
        """This instance takes stored tasks of this queue."""
        claims = self._core.settings.claims
        return claims is None or queue in claims

    def hint(self, queue: str | None = None) -> None:
        """The store may have something to claim now, in this queue or in any."""
        names = self._core.queues.names() if queue is None else [queue]
        self.queues.update(filter(self.claims_from, names))
        self._wake.set()

    def hint_after(self, queue: str, seconds: float) -> None:
        """The store will have something to claim in a while."""
        if seconds <= 0:
            self.hint(queue)
        elif seconds < POLL_SECONDS:
            self._core.loop.call_later(seconds, self.hint, queue)

    def tell(self) -> None:
        """Another instance changed something in the store: it may be new tasks."""
        self.told = True
        # Who has nothing to do asks for them without looking first, and so takes them sooner.
        if self._core.queues.running:
            self.nudge()
        else:
            self.hint()

    def nudge(self) -> None:
        """Something changed: see whether there is something due."""
        self._wake.set()

    async def wait(self, seconds: float) -> None:
        """Until there is a hint, or for so long."""
        await self._wake.wait(seconds)
