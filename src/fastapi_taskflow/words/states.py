"""The one table of what a task's state may become.

Every backend applies `MOVES` in one compare-and-set; nothing else in the library knows
which state follows which. A move that is not in the table does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fastapi_taskflow.words.models import TaskStatus

__all__ = ["CANCELLABLE", "LIVE", "MOVES", "RETRYABLE", "TERMINAL", "Move", "Rule"]

LIVE = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING})
TERMINAL = frozenset(TaskStatus) - LIVE
RETRYABLE = TERMINAL - {TaskStatus.SUCCESS}
CANCELLABLE = LIVE


class Move(Enum):
    """How a claim ends. Its holder gives one, with the lease, to ``Backend.finish``."""

    SUCCEED = "succeed"
    RETRY = "retry"
    SNOOZE = "snooze"
    FAIL = "fail"
    CANCEL = "cancel"
    # The instance drains and its deadline has passed.
    DRAIN = "drain"
    INTERRUPT = "interrupt"
    # The owner died while the task ran.
    RESCUE = "rescue"
    LOSE = "lose"
    # The function was never called.
    UNSTART = "unstart"
    GIVE_BACK = "give_back"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a move does to a task whose lease is held.

    Attributes:
        source: The state that the task must be in.
        target: The state that it gets.
        failures: Added to the count of attempts that ended in an exception.
        interruptions: Added to the count of owners that died after the start.
        yields_to_cancel: CANCELLED instead of ``target`` if cancel was asked for.
    """

    source: TaskStatus
    target: TaskStatus
    failures: int = 0
    interruptions: int = 0
    yields_to_cancel: bool = True


_P, _R = TaskStatus.PENDING, TaskStatus.RUNNING

MOVES: dict[Move, Rule] = {
    Move.SUCCEED: Rule(_R, TaskStatus.SUCCESS, yields_to_cancel=False),
    Move.RETRY: Rule(_R, _P, failures=1),
    Move.SNOOZE: Rule(_R, _P),
    Move.FAIL: Rule(_R, TaskStatus.FAILED, failures=1),
    Move.CANCEL: Rule(_R, TaskStatus.CANCELLED),
    Move.DRAIN: Rule(_R, _P),
    Move.INTERRUPT: Rule(_R, TaskStatus.INTERRUPTED),
    Move.RESCUE: Rule(_R, _P, interruptions=1),
    Move.LOSE: Rule(_R, TaskStatus.INTERRUPTED, interruptions=1),
    Move.UNSTART: Rule(_R, _P),
    Move.GIVE_BACK: Rule(_P, _P),
    Move.ABANDON: Rule(_P, TaskStatus.INTERRUPTED),
}
