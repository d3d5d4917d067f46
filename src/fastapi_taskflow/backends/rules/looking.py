"""Search and pages: how far back a search looks, and what a cursor is."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi_taskflow.backends.base import ENDING_LENGTH, Page, StoredTask, weight

__all__ = ["ENDINGS_WITHIN", "ERRORS_WITHIN", "ending_of", "page_of", "parse_cursor"]

ERRORS_WITHIN = 10_000
"""Error texts are searched in so many of the newest tasks only."""

ENDINGS_WITHIN = 100_000
"""Ends of ids likewise."""

# Digits of an arrival number that 64 bits hold; more tasks than that never arrive.
_LONGEST_CURSOR = 18


def ending_of(task_id: str) -> str:
    """The end of an id, by which people tell tasks apart; a column where a store has an index."""
    return task_id[-ENDING_LENGTH:]


def parse_cursor(cursor: str) -> int:
    """The arrival number in a cursor, that of the last one shown.

    Raises:
        ValueError: there is none.
    """
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _LONGEST_CURSOR):
        raise ValueError(f"A cursor is what an earlier page gave, got {cursor!r}.")
    return int(cursor)


def page_of(found: Sequence[tuple[int, StoredTask]], *, limit: int, most_bytes: int | None) -> Page:
    """The page of those tasks, each with its arrival number, that match after a cursor.

    Args:
        found: In the order of pages; one more than ``limit`` if there are so many.
    """
    kept, left = [task for _, task in found[:limit]], most_bytes
    for number, task in enumerate(kept):
        if left is not None:
            left -= weight(task.record)
            if left < 0 and number:
                kept = kept[:number]
                break
    more = 0 < len(kept) < len(found)
    return Page(kept, str(found[len(kept) - 1][0]) if more else None)
