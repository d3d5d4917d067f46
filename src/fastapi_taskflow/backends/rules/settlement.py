"""What a lease may still do, what an outcome or a cancel does to a task, and to its key.

Drivers hand in their own rows, which are as they are after the questions answered so far;
they write what the answers say, and the start and due times that the port names.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from fastapi_taskflow.backends.base import Attempt, CancelResult, Lease, Outcome
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.pacing import is_throttle
from fastapi_taskflow.words.states import MOVES, TERMINAL, Move, Rule

__all__ = [
    "Change",
    "Task",
    "attempt_of",
    "cancelling",
    "holds",
    "is_late",
    "keeps_key",
    "key_runs",
    "settle",
    "takes_lines",
]

_PENDING, _RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
# Their function was not called: no attempt ended.
_NO_ATTEMPT = frozenset({Move.UNSTART, Move.GIVE_BACK})
# Whether the function did its work is not known.
_UNKNOWN_ENDS = frozenset({TaskStatus.INTERRUPTED, TaskStatus.CANCELLED})


class Task(Protocol):
    """What decides about a stored task."""

    @property
    def status(self) -> TaskStatus: ...
    @property
    def fence(self) -> int: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def cancel_asked(self) -> bool: ...
    @property
    def persist(self) -> bool: ...
    @property
    def failures(self) -> int: ...
    @property
    def instance(self) -> str | None: ...
    @property
    def start_time(self) -> datetime | None: ...


class Change(NamedTuple):
    """What an outcome does to a task whose lease holds; its owner goes in any case.

    Attributes:
        over: ``target`` is terminal: the task ends now. Otherwise its due time is set.
        ends_attempt: The task goes on, and an attempt is added to its history.
        failures: Added to the task's.
        interruptions: Added to the task's.
    """

    source: TaskStatus
    target: TaskStatus
    over: bool
    ends_attempt: bool
    failures: int
    interruptions: int


def _change(move: Move, rule: Rule, *, asked: bool) -> Change:
    target = TaskStatus.CANCELLED if asked and rule.yields_to_cancel else rule.target
    over = target in TERMINAL
    ends_attempt = not over and move not in _NO_ATTEMPT
    return Change(rule.source, target, over, ends_attempt, rule.failures, rule.interruptions)


# There are only these.
_CHANGES = {move: _change(move, rule, asked=False) for move, rule in MOVES.items()}
_CHANGES_IF_ASKED = {move: _change(move, rule, asked=True) for move, rule in MOVES.items()}


def holds(task: Task, lease: Lease) -> bool:
    """The lease is the one that holds the task now: it may start, and start again."""
    return task.fence == lease.fence and task.owner is not None


def takes_lines(task: Task, lease: Lease) -> bool:
    """Log lines of this attempt still count."""
    return task.status is _RUNNING and holds(task, lease)


def settle(task: Task, outcome: Outcome) -> Change | None:
    """What an outcome does. None: nothing, it is late or was sent before."""
    change = (_CHANGES_IF_ASKED if task.cancel_asked else _CHANGES)[outcome.move]
    counts = task.fence == outcome.lease.fence and task.owner is not None
    return change if counts and task.status is change.source else None


def is_late(task: Task, outcome: Outcome) -> bool:
    """The lease was lost. All that is left of the outcome is a late attempt, once per lease."""
    return task.fence != outcome.lease.fence


def attempt_of(task: Task, outcome: Outcome, now: datetime) -> Attempt:
    """How the attempt goes into the history of a task that has not changed yet.

    Nobody can say who sent a late one, and since when.
    """
    late = is_late(task, outcome)
    return Attempt(
        task.failures,
        outcome.lease.fence,
        None if late else task.instance,
        None if late else task.start_time,
        now,
        outcome.elapsed,
        outcome.move,
        outcome.error,
        outcome.stacktrace,
        late,
        None if outcome.failure is None else outcome.failure.group,
    )


def cancelling(task: Task | None) -> CancelResult:
    """What cancelling comes to: CANCELLED ends the task now, ASKED sets its flag."""
    if task is None:
        return CancelResult.MISSING
    if task.status is _PENDING and task.persist:
        return CancelResult.CANCELLED
    if task.status is _PENDING or task.status is _RUNNING:
        return CancelResult.ASKED
    return CancelResult.REFUSED


def key_runs(key: str | None, *, started: bool) -> bool:
    """With this start the time of a task's idempotency key begins: with the first, a throttle's."""
    return not started and is_throttle(key)


def keeps_key(key: str, status: TaskStatus, *, started: bool) -> bool | None:
    """Whether a task that ended so keeps its idempotency key for the key's time; else it is free.

    Kept after a success and where the effect is unknown: the task was started, be it for
    an earlier attempt, and did not fail. None: nothing becomes of it, see `key_runs`.
    """
    if started and is_throttle(key):
        return None
    return status is TaskStatus.SUCCESS or (started and status in _UNKNOWN_ENDS)
