"""How an attempt's end becomes the next move: the one place that decides.

Pure: what happened (`Ended`), what is known of the task (`Facts`) and its settings go in,
a `Verdict` comes out. The order of precedence is: a value returned is SUCCESS whatever
was asked; then a wish to cancel; then what the function said; then the settings.

Of an exception group the leaves decide. One `Cancel` among them ends the task; one error
that may not be retried fails it; what is left is a failed attempt, and a snooze only if
nothing else happened. The longest of the waits that they ask for counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from fastapi_taskflow.rules.ends import (
    CancelAsked,
    Ended,
    Lost,
    Raised,
    Returned,
    Stopped,
    TimedOut,
    Unstarted,
)
from fastapi_taskflow.rules.exceptionparts import attribute_of, leaves
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import Cancel, Retry, Snooze
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.limits import LONGEST_DELAY_SECONDS, finite
from fastapi_taskflow.words.models import TaskConfig
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.states import Move

__all__ = [
    "POISON_CAP",
    "QUARANTINE_FROM",
    "Facts",
    "Verdict",
    "decide",
    "rescue_delay",
    "retry_delay",
]

QUARANTINE_FROM = 2
"""Interruptions from which at most one such task runs per instance at a time."""

POISON_CAP = 4
"""Owners that may die of one task in all; the last of them ends it."""

_RESCUE_BASE_SECONDS = 5.0
_RESCUE_LONGEST_SECONDS = 300.0

_CANCELLED = "Cancelled on request"


class Facts(NamedTuple):
    """What decides besides the end itself.

    Attributes:
        failures: Attempts that ended in an exception, before this one.
        interruptions: Owners that died after starting the task, before this one.
        persist: The task is durable: another instance can run it.
        requeue: Its owner's death after the start may run it again.
        cancel_asked: Somebody asked to cancel it.
        started: RUNNING is committed (or, not durable, the function was called).
    """

    failures: int
    interruptions: int
    persist: bool
    requeue: bool
    cancel_asked: bool
    started: bool


class Verdict(NamedTuple):
    """The move to make. ``delay`` is in seconds and counts for moves to PENDING."""

    move: Move
    delay: float = 0.0
    error: str | None = None
    stacktrace: str | None = None
    failure: Failure | None = None


_SUCCEEDED = Verdict(Move.SUCCEED)


def decide(config: TaskConfig, facts: Facts, ended: Ended, *, random: Random) -> Verdict:
    """The move that follows from how an attempt ended."""
    match ended:
        case Returned():
            return _SUCCEEDED
        case Raised():
            return _after_error(config, facts, ended, random)
        case TimedOut():
            return _after_timeout(config, facts, ended, random)
        case CancelAsked():
            return _cancelled(facts)
        case Unstarted():
            return _never_called(facts)
        case Stopped():
            return _after_stop(facts) if facts.started else _never_called(facts)
        case Lost():
            return _after_death(facts, ended) if facts.started else _never_called(facts)


def retry_delay(config: TaskConfig, n: int, random: Random) -> float:
    """Seconds to wait before retry ``n`` (from 1).

    ``delay * backoff ** (n - 1)``, at most ``max_delay``; a jitter of 0.2 takes up to a
    fifth of it away, so that tasks that failed together come back apart.
    """
    try:
        seconds = config.delay and config.delay * float(config.backoff) ** (n - 1)
    except OverflowError:
        seconds = LONGEST_DELAY_SECONDS
    if config.max_delay is not None:
        seconds = min(seconds, config.max_delay)
    seconds = min(seconds, LONGEST_DELAY_SECONDS)
    if config.jitter:
        seconds *= 1.0 - config.jitter * random.random()
    return seconds


def rescue_delay(deaths: int) -> float:
    """Seconds before a task runs again whose owners have died ``deaths`` times (from 1)."""
    if deaths < QUARANTINE_FROM:
        return 0.0
    seconds = _RESCUE_BASE_SECONDS * 2.0 ** min(deaths - QUARANTINE_FROM, 30)
    return min(seconds, _RESCUE_LONGEST_SECONDS)


def _after_error(config: TaskConfig, facts: Facts, ended: Raised, random: Random) -> Verdict:
    error = ended.error
    text = error_text(error) if ended.text is None else ended.text
    if facts.cancel_asked:
        return Verdict(Move.CANCEL, error=text, stacktrace=ended.stacktrace)
    said = leaves(error)
    if any(is_a(one, Cancel) for one in said):
        # Alone it is no failure, and needs no trace.
        trace = None if len(said) == 1 else ended.stacktrace
        return Verdict(Move.CANCEL, error=text, stacktrace=trace)
    after = _longest_wait(said)
    # A subclass may have forgotten to say for how long: then it is an error like others.
    if after is not None and all(is_a(one, Snooze) for one in said):
        return Verdict(Move.SNOOZE, delay=after)
    if not _retryable(config, error, said):
        return Verdict(Move.FAIL, error=text, stacktrace=ended.stacktrace)
    return _failed(config, facts, random, text, ended.stacktrace, after=after)


def _longest_wait(said: Sequence[BaseException]) -> float | None:
    """Seconds that `Snooze` and `Retry` ask for; None if none does."""
    waits = [_seconds(one, "seconds") for one in said if is_a(one, Snooze)]
    waits += [_seconds(one, "after") for one in said if is_a(one, Retry)]
    found = [seconds for seconds in waits if seconds is not None]
    return min(max(found), LONGEST_DELAY_SECONDS) if found else None


def _seconds(error: BaseException, name: str) -> float | None:
    found = finite(attribute_of(error, name))
    return found if found is not None and found >= 0 else None


def _after_timeout(config: TaskConfig, facts: Facts, ended: TimedOut, random: Random) -> Verdict:
    text = f"Timed out: the attempt took longer than its timeout of {ended.seconds:g} s"
    timeout = TimeoutError()
    again = _retryable(config, timeout, (timeout,))
    if ended.left_running:
        text += "; its function could not be stopped, and was left running"
        # Named itself, not through a base class: who lists OSError does not think of this.
        again = again and TimeoutError in config.retry_on
    if facts.cancel_asked:
        return Verdict(Move.CANCEL, error=text)
    if not again:
        return Verdict(Move.FAIL, error=text)
    return _failed(config, facts, random, text, None)


def _failed(
    config: TaskConfig,
    facts: Facts,
    random: Random,
    text: str,
    stacktrace: str | None,
    *,
    after: float | None = None,
) -> Verdict:
    n = facts.failures + 1
    if n > config.retries:
        return Verdict(Move.FAIL, error=text, stacktrace=stacktrace)
    delay = retry_delay(config, n, random) if after is None else after
    return Verdict(Move.RETRY, delay, text, stacktrace)


def _retryable(config: TaskConfig, error: BaseException, said: Sequence[BaseException]) -> bool:
    """The settings allow another attempt after ``error``, whose leaves are ``said``."""
    kinds = [type(one) for one in said if not (is_a(one, Retry) or is_a(one, Snooze))]
    if not kinds:
        return True
    if any(issubclass(kind, config.no_retry_on) for kind in (type(error), *kinds)):
        return False
    if not config.retry_on or issubclass(type(error), config.retry_on):
        return True
    return all(issubclass(kind, config.retry_on) for kind in kinds)


def _cancelled(facts: Facts) -> Verdict:
    if facts.persist and not facts.started:
        # Only RUNNING may become CANCELLED by its owner; giving it back yields to the flag.
        return Verdict(Move.GIVE_BACK)
    return Verdict(Move.CANCEL, error=_CANCELLED)


def _never_called(facts: Facts) -> Verdict:
    if facts.started:
        return Verdict(Move.UNSTART)
    if facts.persist:
        return Verdict(Move.GIVE_BACK)
    return Verdict(Move.ABANDON, error="Interrupted: its process ended before the task started")


def _after_stop(facts: Facts) -> Verdict:
    if facts.cancel_asked:
        return Verdict(Move.CANCEL, error=_CANCELLED)
    if facts.requeue:
        return Verdict(Move.DRAIN)
    text = "Interrupted: its instance shut down, and the task had not ended by the deadline"
    return Verdict(Move.INTERRUPT, error=text)


def _after_death(facts: Facts, ended: Lost) -> Verdict:
    how = f"{ended.how or 'its instance died'} while it ran"
    if facts.cancel_asked:
        return Verdict(Move.CANCEL, error=f"{_CANCELLED}; {how}")
    text = f"Interrupted: {how}"
    if not facts.requeue:
        return Verdict(Move.LOSE, error=text)
    deaths = facts.interruptions + 1
    owners = "instances" if ended.how is None else "processes"
    if deaths >= POISON_CAP:
        return Verdict(
            Move.LOSE,
            error=f"{text}, as {deaths} {owners} did by now: it is not run again by itself",
        )
    return Verdict(Move.RESCUE, rescue_delay(deaths), text)
