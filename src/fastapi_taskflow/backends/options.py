"""What may follow ``?`` in the address of a server. No message has a value: it may be secret."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["HIGHEST_PORT", "check_options", "whole_seconds"]

HIGHEST_PORT = 65_535


def check_options(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that the driver would not know, or only at midnight.

    Raises:
        ConfigurationError: one of them. It tells those there are.
    """
    for name in given:
        if name not in known:
            raise ConfigurationError(
                f"The address has an option {quoted(name)}, which is none of this store's. "
                f"There are: {', '.join(sorted(known))}."
            )


def whole_seconds(name: str, value: object) -> int:
    """The value of an option that is a time.

    Raises:
        ConfigurationError: it is no whole number of at least 1.
    """
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise ConfigurationError(f"{name} in the address takes seconds, a whole number above 0.")
    return int(text[:9])
