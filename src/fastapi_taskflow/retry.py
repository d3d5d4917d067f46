"""How an attempt's end becomes the next move: the one place that decides.

Pure: what happened (`Ended`), what is known of the task (`Facts`) and its settings go in,
a `Verdict` comes out. The order of precedence is: a value returned is SUCCESS whatever
was asked; then a wish to cancel; then what the function said; then the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from fastapi_taskflow.errors import Cancel, Retry, Snooze
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.states import Move
from fastapi_taskflow.texts import error_text, format_exception

__all__ = [
    "LONGEST_DELAY_SECONDS",
    "POISON_CAP",
    "QUARANTINE_FROM",
    "CancelAsked",
    "Ended",
    "Facts",
    "Lost",
    "Raised",
    "Returned",
    "Stopped",
    "TimedOut",
    "Unstarted",
    "Verdict",
    "decide",
    "error_text",
    "format_exception",
    "rescue_delay",
    "retry_delay",
]

QUARANTINE_FROM = 2
"""Interruptions from which at most one such task runs per instance at a time."""

POISON_CAP = 4
"""Owners that may die of one task in all; the last of them ends it."""

LONGEST_DELAY_SECONDS = 10 * 365 * 86_400.0
"""Ten years: no delay is longer, so that no due time leaves the calendar."""

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


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised. ``stacktrace`` is `format_exception`'s.

    ``text`` is `error_text`'s without the task's secrets; None if it has none to hide.
    """

    error: BaseException
    stacktrace: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt took longer than its timeout.

    Args:
        seconds: The timeout.
        left_running: It could not be stopped (a thread): running it again would run it
            twice at a time, so only ``retry_on=TimeoutError`` does that.
    """

    seconds: float
    left_running: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The drain deadline passed and the function was interrupted."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The owner died."""


@dataclass(frozen=True, slots=True)
class Unstarted:
    """Claimed, and the function was never called."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The engine stopped the function because somebody asked to cancel it."""


Ended = Returned | Raised | TimedOut | Stopped | Lost | Unstarted | CancelAsked


class Verdict(NamedTuple):
    """The move to make. ``delay`` is in seconds and counts for moves to PENDING."""

    move: Move
    delay: float = 0.0
    error: str | None = None
    stacktrace: str | None = None


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
            return _after_death(facts) if facts.started else _never_called(facts)


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
    if isinstance(error, Cancel):
        return Verdict(Move.CANCEL, error=text)
    if isinstance(error, Snooze):
        return Verdict(Move.SNOOZE, delay=min(error.seconds, LONGEST_DELAY_SECONDS))
    if isinstance(error, Retry):
        return _failed(config, facts, random, text, ended.stacktrace, after=error.after)
    if not _retryable(config, type(error)):
        return Verdict(Move.FAIL, error=text, stacktrace=ended.stacktrace)
    return _failed(config, facts, random, text, ended.stacktrace)


def _after_timeout(config: TaskConfig, facts: Facts, ended: TimedOut, random: Random) -> Verdict:
    text = f"Timed out: the attempt took longer than its timeout of {ended.seconds:g} s"
    again = _retryable(config, TimeoutError)
    if ended.left_running:
        text += "; its thread was left running"
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
    delay = retry_delay(config, n, random) if after is None else min(after, LONGEST_DELAY_SECONDS)
    return Verdict(Move.RETRY, delay, text, stacktrace)


def _retryable(config: TaskConfig, error: type[BaseException]) -> bool:
    if issubclass(error, config.no_retry_on):
        return False
    return not config.retry_on or issubclass(error, config.retry_on)


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


def _after_death(facts: Facts) -> Verdict:
    if facts.cancel_asked:
        return Verdict(Move.CANCEL, error=f"{_CANCELLED}; its instance died while it ran")
    text = "Interrupted: its instance died while it ran"
    if not facts.requeue:
        return Verdict(Move.LOSE, error=text)
    deaths = facts.interruptions + 1
    if deaths >= POISON_CAP:
        return Verdict(
            Move.LOSE,
            error=f"{text}, as {deaths} instances did by now: it is not run again by itself",
        )
    return Verdict(Move.RESCUE, rescue_delay(deaths), text)
