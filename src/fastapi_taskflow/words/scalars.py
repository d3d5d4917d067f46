"""Plain values as text: what tags and keys may be, beside text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["scalar_text"]


def scalar_text(what: str, value: object) -> str:
    """A value as text: of an Enum its value, of a date its ISO form.

    Raises:
        TaskArgumentError: it is none of these, or cannot be written.
    """
    try:
        if issubclass(type(value), Enum):
            value = object.__getattribute__(value, "_value_")
        for scalar, form in _FORMS.items():
            if issubclass(type(value), scalar):
                return form(value)
    # An integer of thousands of digits, or a time zone's own code.
    except BaseException as exc:
        raise TaskArgumentError(
            f"{what} cannot be written as text ({type(exc).__name__})."
        ) from exc
    expected = "text, a number, a date, a UUID or an Enum of these"
    raise limits.wrong(what, expected, value, TaskArgumentError)


# The forms of these classes themselves, so that no code of a subclass runs.
_FORMS: dict[type, Callable[[Any], str]] = {
    str: str.__str__,
    bool: bool.__repr__,
    int: int.__repr__,
    float: float.__repr__,
    UUID: UUID.__str__,
    Decimal: Decimal.__str__,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
}
