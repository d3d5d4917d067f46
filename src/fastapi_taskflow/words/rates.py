"""How much of something may start: so many at a time, so many in a span."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fastapi_taskflow.words import limits
from fastapi_taskflow.words.plain import is_a

__all__ = ["Limit", "Rate", "limit_of", "rate", "rate_of"]

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT = re.compile(r"([1-9][0-9]{0,6})/([smhd])", re.ASCII)
# A token is back after a microsecond at the earliest: no store's clock is finer.
_MOST = 1_000_000


class Rate(NamedTuple):
    """``number`` starts at once, and as many more every ``seconds``, evenly spread."""

    number: int
    seconds: int

    @property
    def refill_micros(self) -> int:
        """Until one more may start; rounded up, so that never too many do."""
        return -(-self.seconds * 1_000_000 // self.number)


class Limit(NamedTuple):
    """Of a queue or of a function, over all instances.

    Attributes:
        most: Tasks that may be claimed or running; None: any number.
        rate: Of claims; None: any.
    """

    most: int | None = None
    rate: Rate | None = None


def rate(what: str, value: object) -> str:
    """A text such as ``"100/m"``: 1 to 1,000,000 a second, minute, hour or day."""
    if is_a(value, str):
        found = str.__str__(value)
        match = _TEXT.fullmatch(found)
        if match is not None and int(match[1]) <= _MOST:
            return found
    expected = "a text such as '100/m', 1 to 1000000 for each s, m, h or d"
    raise limits.wrong(what, expected, value)


@lru_cache(maxsize=256)
def rate_of(text: str) -> Rate:
    """What a checked text says."""
    number, _, unit = text.partition("/")
    return Rate(int(number), _SECONDS[unit])


def limit_of(most: int | None, rate_limit: str | None) -> Limit | None:
    """The limit that checked settings make; None if they make none."""
    if most is None and rate_limit is None:
        return None
    return Limit(most, None if rate_limit is None else rate_of(rate_limit))
