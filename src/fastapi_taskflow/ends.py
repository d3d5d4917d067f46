"""How an attempt ended: values, from which `retry.decide` finds the next move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi_taskflow.exceptiongroups import lone
from fastapi_taskflow.texts import error_text, format_exception

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
    """The function raised. ``stacktrace`` is `format_exception`'s.

    ``text`` is `error_text`'s without the task's secrets; None if it has none to hide.
    """

    error: BaseException
    stacktrace: str
    text: str | None = None


def failure(error: BaseException, mask: Callable[[str], str] | None = None) -> Raised:
    """The end that an exception is, told without what ``mask`` takes out."""
    # A group around one error says less than that error.
    told = lone(error)
    if mask:
        # Before the text is cut: half a secret would not be recognised.
        return Raised(error, format_exception(error, mask), error_text(told, mask))
    return Raised(error, format_exception(error), None if told is error else error_text(told))


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
