"""The tasks that the harness runs, and what must become of each.

Nothing here is left to chance at run time: how often a flaky task fails follows from its
id, so the oracle knows the right end of every task.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

__all__ = ["KINDS", "Kind", "failures_of"]

_MOST_FAILURES = 5


class Kind(NamedTuple):
    """What is promised for the tasks of one function.

    ``flaky``: the task fails `failures_of` times before it succeeds, if it may.
    """

    requeue: bool = False
    threaded: bool = False
    flaky: bool = False
    retries: int = 0
    delay: float = 0.0
    backoff: float = 1.0


KINDS: dict[str, Kind] = {
    "plain": Kind(),
    "plain_threaded": Kind(threaded=True),
    "requeueable": Kind(requeue=True),
    "requeueable_threaded": Kind(requeue=True, threaded=True),
    "flaky": Kind(flaky=True, retries=3, delay=0.05, backoff=2.0),
    "flaky_requeueable": Kind(
        requeue=True, threaded=True, flaky=True, retries=3, delay=0.05, backoff=2.0
    ),
}


def failures_of(task_id: str) -> int:
    """How often a flaky task fails, 0 to 4: one in five exhausts three retries."""
    return hashlib.blake2b(task_id.encode(), digest_size=1).digest()[0] % _MOST_FAILURES
