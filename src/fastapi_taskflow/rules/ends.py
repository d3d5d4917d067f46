"""How an attempt ended: values, from which `retry.decide` finds the next move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi_taskflow.rules.exceptionparts import lone
from fastapi_taskflow.rules.failures import site_of
from fastapi_taskflow.rules.redaction import MASK, NO_MASK, Mask
from fastapi_taskflow.rules.tracebacks import text_and_trace
from fastapi_taskflow.words.failures import Site
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.texts import ERROR_LIMIT_BYTES, TRACE_LIMIT_BYTES, fit

__all__ = [
    "CancelAsked",
    "Ended",
    "Lost",
    "Raised",
    "Returned",
    "Stopped",
    "TimedOut",
    "Unstarted",
    "concluded",
    "failure",
    "rewritten",
    "stopped",
]


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned.

    Args:
        lost: Why its value is not here; None: it is.
    """

    value: Any = None
    lost: str | None = None


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised. ``stacktrace`` is `format_exception`'s, ``text`` `error_text`'s.

    Args:
        stacktrace: None: the texts are still to be written.
        hidden: The exception itself holds secrets, which its texts do not show.
        site: Where it came from; None: as far as ``error`` tells.
    """

    error: BaseException
    stacktrace: str | None = None
    text: str | None = None
    hidden: bool = False
    site: Site | None = None


def failure(error: BaseException, mask: Mask = NO_MASK) -> Raised:
    """The end that an exception is, told without what ``mask`` takes out."""
    # A group around one error says less than that error.
    text, trace = text_and_trace(error, lone(error), mask)
    return Raised(error, trace, text, bool(mask) or MASK in trace, site_of(lone(error)))


def rewritten(raised: Raised, mask: Mask) -> Raised:
    """An end whose texts were written elsewhere, within bounds and without secrets."""
    text = fit(raised.text or name_of(type(raised.error)), ERROR_LIMIT_BYTES, mask)
    trace = fit(raised.stacktrace or "", TRACE_LIMIT_BYTES, mask)
    site = raised.site or site_of(lone(raised.error))
    return Raised(raised.error, trace, text, bool(mask) or raised.hidden, site)


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
    """The owner died.

    Args:
        how: Of a process, as part of a sentence; None: it was the whole instance.
    """

    how: str | None = None


@dataclass(frozen=True, slots=True)
class Unstarted:
    """Claimed, and the function was never called."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The engine stopped the function because somebody asked to cancel it."""


Ended = Returned | Raised | TimedOut | Stopped | Lost | Unstarted | CancelAsked


def stopped(reason: str, timeout: float | None, *, left_running: bool = False) -> Ended:
    """How an attempt ended that was ended for a `Reason` of the executors."""
    match reason:
        case "cancel":
            return CancelAsked()
        case "timeout":
            return TimedOut(timeout or 0.0, left_running=left_running)
        case "lost":
            return Lost()
        case _:
            return Stopped()


def concluded(told: Ended, reason: str, timeout: float | None) -> Ended:
    """How an attempt ended that was to stop for ``reason``, and whose executor tells this."""
    if reason == "cancel":
        # Who was asked may return or fail all the same.
        return CancelAsked() if type(told) is Stopped else told
    if reason != "timeout" and type(told) is Returned:
        return told
    # What its clean-up raised is not why it ended, and what it returned came too late.
    return stopped(reason, timeout)
