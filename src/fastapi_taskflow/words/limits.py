"""What a number, a text, a switch and a date may be, for everybody who is given one.

Each check gives the value as a plain object of its type, so that no code of a subclass runs
later. Calls of tasks refuse with `TaskArgumentError`, constructors and decorators with
`ConfigurationError`; no check raises anything else, whatever it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from fastapi_taskflow.words.errors import ConfigurationError, TaskArgumentError
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "LARGEST",
    "LONGEST_DELAY_SECONDS",
    "NAME_LIMIT",
    "Refusal",
    "finite",
    "moment",
    "near",
    "number",
    "one_of",
    "optional",
    "printable",
    "several",
    "span",
    "switch",
    "text",
    "whole",
    "wrong",
]

T = TypeVar("T")
Refusal: TypeAlias = type[ConfigurationError] | type[TaskArgumentError]

LARGEST = 2**31 - 1
"""The largest whole number that every store has a column for."""

LONGEST_DELAY_SECONDS = 10 * 365 * 86_400.0
"""Ten years: no delay is longer, so that no due time leaves the calendar, and no clock ends."""

NAME_LIMIT = 200
"""Characters of a task's or a queue's name; it is part of indexes in every backend."""

# The instants that every store and every time zone can say.
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def wrong(
    what: str, expected: str, value: object, error: Refusal = ConfigurationError
) -> ConfigurationError | TaskArgumentError:
    """The refusal of a value."""
    return error(f"{what} takes {expected}, got {quoted(value)}.")


def near(value: object, names: Iterable[str]) -> str:
    """The one of ``names`` that was probably meant, as a sentence; empty if there is none."""
    if not is_a(value, str):
        return ""
    text = str.__str__(value)[:NAME_LIMIT]
    close = get_close_matches(text, list(names), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def optional(check: Callable[..., T], what: str, value: object, **how: Any) -> T | None:
    """What the check gives; None for None."""
    return None if value is None else check(what, value, **how)


def several(what: str, expected: str, value: object) -> list[Any]:
    """The items of a list, tuple, set or generator. A text or a mapping is none."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise wrong(what, expected, value)
    return list(value)


def one_of(what: str, value: object, choices: Sequence[str]) -> str:
    """One of a few words."""
    if is_a(value, str):
        found = str.__str__(value)
        if found in choices:
            return found
    raise ConfigurationError(
        f"{what} takes {' or '.join(map(repr, choices))}, got {quoted(value)}."
        f"{near(value, choices)}"
    )


def whole(
    what: str,
    value: object,
    *,
    least: int = -LARGEST - 1,
    most: int = LARGEST,
    error: Refusal = ConfigurationError,
) -> int:
    """A whole number; True and 1.0 are none."""
    if is_a(value, int) and not is_a(value, bool):
        found = int.__index__(value)
        if least <= found <= most:
            return found
    if least < -LARGEST:
        expected = f"a whole number of 32 bits ({least} to {most})"
    elif most == LARGEST:
        expected = f"a whole number from {least} up"
        # It is from there up, and too large.
        if is_a(value, int) and int.__gt__(value, most):
            expected += f", at most {most}"
    else:
        expected = f"a whole number from {least} to {most}"
    raise wrong(what, expected, value, error)


def number(what: str, value: object, *, error: Refusal = ConfigurationError) -> float:
    """A finite number from 0 up."""
    found = finite(value)
    if found is None or found < 0:
        raise wrong(what, "a number from 0 up", value, error)
    return found


def span(
    what: str,
    value: object,
    *,
    above: bool = False,
    most: float = LONGEST_DELAY_SECONDS,
    unit: str = "seconds",
    error: Refusal = ConfigurationError,
) -> float:
    """A length of time.

    Args:
        above: 0 is none.
        most: The longest.
        unit: Of the number.
    """
    found = finite(value)
    if found is not None and found <= most and (found > 0 or (found == 0 and not above)):
        return found
    expected = f"{unit} above 0" if above else f"{unit} from 0 up"
    if found is not None and found > most:
        expected += f", at most {most:.0f}"
    if is_a(value, timedelta):
        expected += " (a timedelta's total_seconds())"
    raise wrong(what, expected, value, error)


def finite(value: object) -> float | None:
    """A finite number; None for anything else."""
    found = math.nan
    if is_a(value, float):
        found = float.__float__(value)
    elif is_a(value, int) and not is_a(value, bool):
        with suppress(OverflowError):
            found = int.__float__(value)
    return found if math.isfinite(found) else None


def switch(what: str, value: object, *, error: Refusal = ConfigurationError) -> bool:
    """True or False; no text and no number is either."""
    if is_a(value, bool):
        return value
    raise wrong(what, "True or False", value, error)


def text(what: str, value: object, *, most: int, error: Refusal = ConfigurationError) -> str:
    """1 to ``most`` characters that every store can keep: no NUL, no half of a pair."""
    if not is_a(value, str):
        raise wrong(what, f"text of 1 to {most} characters", value, error)
    found = str.__str__(value)
    if not 0 < len(found) <= most:
        raise error(f"{what} takes 1 to {most} characters, got {len(found)} characters.")
    if "\0" in found or (not found.isascii() and _is_broken(found)):
        raise error(
            f"{what} takes text that can be stored, got {quoted(found)}, which has a NUL or is "
            "not valid Unicode."
        )
    return found


def _is_broken(text: str) -> bool:
    """Half a surrogate pair is text to Python and to no store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def printable(
    what: str, value: object, *, most: int = NAME_LIMIT, error: Refusal = ConfigurationError
) -> str:
    """A name: 1 to ``most`` printable characters."""
    if is_a(value, str):
        found = str.__str__(value)
        if 0 < len(found) <= most and found.isprintable():
            return found
    raise wrong(what, f"1 to {most} printable characters", value, error)


def moment(what: str, value: object, *, error: Refusal = ConfigurationError) -> datetime:
    """A date and time in UTC, of the years 1970 to 9998. One without a zone is in UTC."""
    if not is_a(value, datetime):
        raise wrong(what, "a datetime", value, error)
    try:
        offset = datetime.utcoffset(value)
        local = datetime(
            value.year, value.month, value.day, value.hour, value.minute, value.second,
            value.microsecond, UTC,
        )  # fmt: skip
        found = local if offset is None else local - offset
    # The zone is code of the user's, and the calendar has an end.
    except BaseException as exc:
        raise wrong(what, "a datetime of the years 1970 to 9998", value, error) from exc
    if not _FIRST <= found < _END:
        raise wrong(what, "a datetime of the years 1970 to 9998", value, error)
    return found
