"""What is inside an exception group: its leaves, which say what its message does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

__all__ = ["leaves", "lone"]

# More than any fan-out has; a group is user data, and nested ones may share their parts.
_MOST_LEAVES = 1_000

# Not the attribute, which a class of the user's may have overridden.
_parts = BaseExceptionGroup.exceptions.__get__


def leaves(error: BaseException) -> Sequence[BaseException]:
    """The exceptions that are no groups, in order, at most 1,000; without groups, ``error``."""
    # Not `isinstance`, which asks the object itself.
    if not issubclass(type(error), BaseExceptionGroup):
        return (error,)
    found: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(found) < _MOST_LEAVES:
        one = waiting.pop()
        if issubclass(type(one), BaseExceptionGroup):
            waiting.extend(reversed(_parts(cast(Any, one))))
        else:
            found.append(one)
    return found


def lone(error: BaseException) -> BaseException:
    """The only leaf of a group that has just one; else ``error``."""
    found = leaves(error)
    return found[0] if len(found) == 1 else error
