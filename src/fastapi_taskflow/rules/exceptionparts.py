"""What Python itself keeps of an exception, whatever its class has put in front of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from fastapi_taskflow.words.plain import (
    getter,
    is_a,
    module_of,
    mro_of,
    namespace_of,
    qualname_of,
)

__all__ = [
    "args_of",
    "attribute_of",
    "cause_of",
    "context_of",
    "full_name_of",
    "leaves",
    "lone",
    "members_of",
    "notes_of",
    "str_method_of",
    "traceback_of",
]

_MOST_NOTES = 20
# More than any fan-out has; a group is user data, and nested ones may share their parts.
_MOST_LEAVES = 1_000

args_of: Callable[[BaseException], tuple[Any, ...]] = getter(BaseException, "args")
traceback_of: Callable[[BaseException], TracebackType | None] = getter(
    BaseException, "__traceback__"
)
cause_of: Callable[[BaseException], BaseException | None] = getter(BaseException, "__cause__")
_context_of: Callable[[BaseException], BaseException | None] = getter(BaseException, "__context__")
_hides_context: Callable[[BaseException], bool] = getter(BaseException, "__suppress_context__")
_vars_of: Callable[[BaseException], dict[str, Any]] = getter(BaseException, "__dict__")
_members_of: Callable[[Any], tuple[BaseException, ...]] = getter(BaseExceptionGroup, "exceptions")


def attribute_of(error: BaseException, name: str) -> Any:
    """What stands under a name in it or its class; of a property that is the property."""
    spaces = [_vars_of(error), *map(namespace_of, mro_of(type(error)))]
    return next((space[name] for space in spaces if name in space), None)


def context_of(error: BaseException) -> BaseException | None:
    """What was being handled when it was raised, if that is to be told."""
    return None if _hides_context(error) else _context_of(error)


def notes_of(error: BaseException) -> list[str]:
    """The first notes, and how many more there are."""
    notes = _vars_of(error).get("__notes__")
    if type(notes) is not list:
        return []
    told = [note for note in notes[:_MOST_NOTES] if isinstance(note, str)]
    more = len(notes) - _MOST_NOTES
    return [*told, f"... {more} notes left out ..."] if more > 0 else told


def str_method_of(error: BaseException) -> Any:
    """How its class writes it; None where the class does not say."""
    try:
        return type(error).__str__
    # The class of a class is a user's as well.
    except BaseException:
        return None


def full_name_of(error: BaseException) -> str:
    """Its class's name with its module, as tracebacks show it."""
    module, name = module_of(type(error)), qualname_of(type(error))
    plain = not isinstance(module, str) or module in ("builtins", "__main__")
    return name if plain else f"{module}.{name}"


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """What a group holds; nothing if it is none."""
    return _members_of(error) if is_a(error, BaseExceptionGroup) else ()


def leaves(error: BaseException) -> Sequence[BaseException]:
    """The exceptions that are no groups, in order, at most 1,000; without groups, ``error``."""
    if not is_a(error, BaseExceptionGroup):
        return (error,)
    found: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(found) < _MOST_LEAVES:
        one = waiting.pop()
        if is_a(one, BaseExceptionGroup):
            waiting.extend(reversed(_members_of(one)))
        else:
            found.append(one)
    return found


def lone(error: BaseException) -> BaseException:
    """The only leaf of a group that has just one; else ``error``."""
    found = leaves(error)
    return found[0] if len(found) == 1 else error
