"""Where a value stands in a call, in the words of the one who wrote the function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Callee", "place"]


class Callee(NamedTuple):
    """The function that the arguments are for, by its task name."""

    name: str
    func: Callable[..., Any]


def place(callee: Callee | None, path: Sequence[str]) -> str:
    """A place such as ``order.items[3]``, or ``args[0].items[3]`` if nothing has a name.

    Args:
        path: ``args`` or ``kwargs``, and the steps from there inwards; the first one is
            written ``[0]`` or ``['order']``. Empty: nobody knows where.
    """
    if not path:
        return "the arguments"
    if callee is None or len(path) == 1:
        return "".join(path)
    root, first, *rest = path
    name = first[2:-2] if root == "kwargs" else _parameter(callee.func, first)
    known = name.partition("[")[0].isidentifier()
    return "".join([name, *rest] if known else path)


def _parameter(func: Callable[..., Any], step: str) -> str:
    """The parameter that takes this position, ``""`` if nobody can say."""
    position = int(step[1:-1])
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # made in C, or its own __signature__ is wrong
        return ""
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"{parameter.name}[{position - index}]"
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        if index == position:
            return parameter.name
    return ""
