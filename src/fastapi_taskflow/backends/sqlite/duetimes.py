"""How a due time is stored: whether it had come already does not depend on a clock."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.backends.rules.duetimes import is_never
from fastapi_taskflow.words.clock import from_micros

__all__ = ["LONG_DUE", "due_moment", "due_shown", "due_since", "due_value"]

# Beyond any calendar.
_PAST = 2**62

LONG_DUE = -(2**61)
"""What is stored of a due time is below this if it had come already, see `due_value`."""


def due_value(due: int, now: int) -> int:
    """What is stored of a due time. One that has come is below `LONG_DUE`: it is due whatever
    a clock says later, and still in the order of due times among its like.
    """
    return due - _PAST if due <= now else due


def due_since(value: int) -> int:
    """The due time of which `due_value` made this."""
    return value + _PAST if value < LONG_DUE else value


def due_shown(value: int | None) -> datetime | None:
    """As people see it; that of a parked task is none."""
    moment = due_moment(value)
    return None if is_never(moment) else moment


def due_moment(value: int | None) -> datetime | None:
    """The same as an instant."""
    return None if value is None else from_micros(due_since(value))
