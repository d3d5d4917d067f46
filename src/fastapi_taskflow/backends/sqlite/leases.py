"""What this process knows of the leases that it gave out itself.

Of a task under lease nobody changes these facts as long as the lease holds. So a start, or
a success, need not be preceded by a look: its statement names what must still be true, and
as many changed rows as expected are the proof that it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastapi_taskflow.backends.base import Lease

__all__ = ["Held", "Leases"]

# Some 4 MB. What is forgotten is looked up again.
_MOST = 10_000


class Held(NamedTuple):
    """A task under lease.

    Attributes:
        bound: Its end concerns others: it has an idempotency key or an order key, or is in a
            batch.
        fresh: It was never started before this lease.
    """

    seq: int
    queue: str
    func: str
    bound: bool
    fresh: bool


class Leases:
    """Committed leases, the newest ones; for the writer's thread."""

    def __init__(self) -> None:
        self._held: dict[Lease, Held] = {}
        self._latest = 0

    def learn(self, given: Sequence[tuple[Lease, Held]]) -> None:
        """Leases were given out, and that is committed."""
        held = self._held
        held.update(given)
        self._latest = max(self._latest, *(one.seq for _, one in given))
        while len(held) > _MOST:
            del held[next(iter(held))]

    def check(self, last_seq: int) -> None:
        """Forget everything if the store has given out fewer numbers than are known here.

        A backup was put into it: numbers that are known mean other tasks soon.
        """
        if last_seq < self._latest:
            self._held.clear()
            self._latest = 0

    def get(self, lease: Lease) -> Held | None:
        """What is known of the task under this lease."""
        return self._held.get(lease)

    def forget(self, leases: Iterable[Lease]) -> None:
        """They have ended."""
        for lease in leases:
            self._held.pop(lease, None)
