"""What a function gives back may be work that has not been done yet."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import CO_ITERABLE_COROUTINE
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, TypeGuard

__all__ = ["discard", "is_unfinished"]


def is_unfinished(answer: object) -> TypeGuard[Awaitable[Any]]:
    """True if it has to be awaited. Looks at its type only, so no code of it runs.

    Raises:
        TypeError: a generator, of which nothing has run and nothing will.
    """
    kind = type(answer)
    if kind is CoroutineType:
        return True
    if kind is GeneratorType and answer.gi_code.co_flags & CO_ITERABLE_COROUTINE:  # type: ignore[attr-defined]
        return True
    if kind in (GeneratorType, AsyncGeneratorType):
        raise TypeError(
            "The function returned a generator, so nothing of it has run: a task does not go "
            "through one. Use a function without yield, or loop over the generator in it."
        )
    return hasattr(kind, "__await__")


def discard(answer: object) -> None:
    """It will not be awaited: say so, so that Python does not warn of a forgotten one."""
    if type(answer) is CoroutineType:
        answer.close()
