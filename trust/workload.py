"""The tasks that the harness runs, and what must become of each.

Nothing here is left to chance at run time: how often a task fails follows from its kind
and its id, so the oracle knows the right end of every task.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

__all__ = ["KINDS", "WORK", "Kind"]

_MOST_FAILURES = 5


class Kind(NamedTuple):
    """What is promised for the tasks of one function.

    ``fails`` is how often a task fails before it succeeds; None: as its id says, 0 to 4
    times, so that one in five exhausts three retries.
    """

    requeue: bool = False
    threaded: bool = False
    fails: int | None = 0
    retries: int = 0
    delay: float = 0.0
    backoff: float = 1.0

    def failures_of(self, task_id: str) -> int:
        if self.fails is not None:
            return self.fails
        return hashlib.blake2b(task_id.encode(), digest_size=1).digest()[0] % _MOST_FAILURES


WORK: dict[str, Kind] = {
    "plain": Kind(),
    "plain_threaded": Kind(threaded=True),
    "requeueable": Kind(requeue=True),
    "requeueable_threaded": Kind(requeue=True, threaded=True),
    "flaky": Kind(fails=None, retries=3, delay=0.05, backoff=2.0),
    "flaky_requeueable": Kind(
        requeue=True, threaded=True, fails=None, retries=3, delay=0.05, backoff=2.0
    ),
}
"""What clients ask for at random."""

_DIRECTED: dict[str, Kind] = {
    "held": Kind(),
    "held_requeueable": Kind(requeue=True),
    "held_alone": Kind(),
    "held_threaded": Kind(threaded=True),
    "fails_once": Kind(fails=1, retries=1, delay=1.0),
    "poison": Kind(requeue=True),
}

KINDS = WORK | _DIRECTED
"""All kinds of durable tasks, also those that only tests ask for."""
