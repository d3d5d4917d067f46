"""What groups failures: attempts that failed in the same way belong together."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Failure", "Site"]


class Site(NamedTuple):
    """Where an exception came from.

    Attributes:
        kind: The name of its class, with the module.
        frames: ``module:function`` of the caller's own code, outermost first, each once.
    """

    kind: str
    frames: tuple[str, ...] = ()


class Failure(NamedTuple):
    """A failed attempt's group, and the exception's class by name.

    ``group`` are 16 hexadecimal digits; equal ones belong to one function.
    """

    group: str
    kind: str
