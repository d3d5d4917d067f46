"""Search and pages: how far back a search looks, and what a cursor is."""

from __future__ import annotations

__all__ = ["ENDINGS_WITHIN", "ERRORS_WITHIN", "parse_cursor"]

ERRORS_WITHIN = 10_000
"""Error texts are searched in so many of the newest tasks only."""

ENDINGS_WITHIN = 100_000
"""Ends of ids likewise."""

# Digits of an arrival number that 64 bits hold; more tasks than that never arrive.
_LONGEST_CURSOR = 18


def parse_cursor(cursor: str) -> int:
    """The arrival number in a cursor, that of the last one shown.

    Raises:
        ValueError: there is none.
    """
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _LONGEST_CURSOR):
        raise ValueError(f"A cursor is what an earlier page gave, got {cursor!r}.")
    return int(cursor)
