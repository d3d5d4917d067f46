"""Arguments that nobody can change, so that sharing them is as good as a copy."""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from typing import Any

__all__ = ["is_fixed", "is_small"]

_FIXED = frozenset[type]({str, int, float, bool, bytes, type(None)})
_MOST = 16
_MOST_BYTES = 512


def is_fixed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """True for immutable plain values: they come back from storage as they went in."""
    try:
        for value in args:
            if type(value) not in _FIXED:
                return False
        return not kwargs or _FIXED.issuperset(map(type, kwargs.values()))
    # The class of a class may be a user's, with a hash of its own that raises.
    except Exception:
        return False


def is_small(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """True for a few immutable plain values of a few bytes, which may be kept for long."""
    if len(args) + len(kwargs) > _MOST or not is_fixed(args, kwargs):
        return False
    for value in args:
        if getsizeof(value) > _MOST_BYTES:
            return False
    return not kwargs or max(map(getsizeof, kwargs.values())) <= _MOST_BYTES
