"""How an attempt ended: values, from which `retry.decide` finds the next move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi_taskflow.rules.exceptionparts import lone
from fastapi_taskflow.rules.redaction import MASK, NO_MASK, Mask
from fastapi_taskflow.rules.tracebacks import text_and_trace

__all__ = [
    "CancelAsked",
    "Ended",
    "Lost",
    "Raised",
    "Returned",
    "Stopped",
    "TimedOut",
    "Unstarted",
    "failure",
]


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised. ``stacktrace`` is `format_exception`'s, ``text`` `error_text`'s.

    ``hidden``: the exception itself holds secrets, which its texts do not show.
    """

    error: BaseException
    stacktrace: str
    text: str | None = None
    hidden: bool = False


def failure(error: BaseException, mask: Mask = NO_MASK) -> Raised:
    """The end that an exception is, told without what ``mask`` takes out."""
    # A group around one error says less than that error.
    text, trace = text_and_trace(error, lone(error), mask)
    return Raised(error, trace, text, bool(mask) or MASK in trace)


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
