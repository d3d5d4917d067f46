"""Where a function comes from, and whether another one is the same, made again.

A module is executed again by a reload, by a notebook's cell that runs twice, and by a server
that imports the script it was started from: ``__main__`` and ``main`` are one file. Its
functions are then new objects that mean the old ones. Two functions of one execution are two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.plain import ATOMS

__all__ = [
    "Kinship",
    "Origin",
    "innermost",
    "kinship",
    "origin_of",
    "refuse_renamed",
    "refuse_taken",
]

# Bounds the way through wrappers, which may be a circle.
_MOST_WRAPPERS = 100


class Kinship(Enum):
    """What a function is to an earlier one of the same task name."""

    REMADE = auto()
    """The same one, from another execution of its module, or one that does the same."""
    SIBLING = auto()
    """Of the same place, but it holds other values: a factory's second function."""
    STRANGER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a function was defined, and in which execution of its module.

    Attributes:
        func: What partials, methods and decorators have inside.
        execution: The module's namespace and what made it; a reload makes it anew.
    """

    func: Callable[..., Any]
    module: str
    qualname: str
    code: CodeType | None
    execution: tuple[Any, Any]

    def __str__(self) -> str:
        place = f"{self.module}.{self.qualname}"
        if self.code is None:
            return place
        return f"{place} ({Path(self.code.co_filename).name}:{self.code.co_firstlineno})"

    @property
    def file(self) -> str | None:
        """None where the code came from no file."""
        if self.code is None or self.code.co_filename.startswith("<"):
            return None
        return os.path.realpath(self.code.co_filename)


def innermost(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside partials and bound methods."""
    while isinstance(func, (partial, MethodType)):
        func = func.func if isinstance(func, partial) else func.__func__
    return func


def origin_of(func: Callable[..., Any]) -> Origin:
    """Where a function comes from, as it is now."""
    inner = innermost(func)
    for _ in range(_MOST_WRAPPERS):
        wrapped = getattr(inner, "__wrapped__", None)
        if not callable(wrapped):
            break
        inner = innermost(wrapped)
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    if isinstance(inner, FunctionType):
        names = inner.__globals__
        return Origin(
            func=inner,
            module=inner.__module__,
            qualname=inner.__qualname__,
            code=inner.__code__,
            execution=(names, names.get("__spec__")),
        )
    return Origin(
        func=inner,
        module=str(getattr(named, "__module__", None)),
        qualname=str(named.__qualname__),
        code=None,
        execution=(type(inner), None),
    )


def kinship(old: Callable[..., Any], of_old: Origin, new: Callable[..., Any]) -> Kinship:
    """What ``new`` is to ``old``.

    Args:
        of_old: Where ``old`` came from when it was registered.
    """
    origin = origin_of(new)
    if old is new or (isinstance(old, MethodType) and old == new):
        return Kinship.REMADE
    if of_old.qualname != origin.qualname or not _one_file(of_old, origin):
        return Kinship.STRANGER
    if any(one is not other for one, other in zip(of_old.execution, origin.execution, strict=True)):
        return Kinship.REMADE
    if of_old.code is origin.code:
        return Kinship.REMADE if _hold_the_same(old, new) else Kinship.SIBLING
    # A script or notebook has no spec: what is no other line of one file may have run again.
    again = origin.execution[1] is None and (
        of_old.file is None or of_old.file != origin.file or _line(of_old) == _line(origin)
    )
    return Kinship.REMADE if again else Kinship.STRANGER


def refuse_taken(
    name: str, old: Callable[..., Any], of_old: Origin, new: Callable[..., Any]
) -> None:
    """Let only the same function, made again, have a task name that is taken.

    Raises:
        ConfigurationError: ``new`` is another function than ``old``.
    """
    match kinship(old, of_old, new):
        case Kinship.SIBLING:
            raise ConfigurationError(
                f"Two functions with one task name: {origin_of(new)} was made twice, with other "
                f"values inside, and both would be {name!r}. Give each a name= of its own, or "
                "register one and pass the values as arguments. (A decorator of yours takes its "
                "function's name if it uses functools.wraps.)"
            )
        case Kinship.STRANGER:
            raise ConfigurationError(
                f"Two functions with one task name: {name!r} is {of_old} already, and "
                f"{origin_of(new)} asks for it. Give one of them another name=."
            )
        case Kinship.REMADE:
            pass


def _one_file(one: Origin, other: Origin) -> bool:
    return one.module == other.module or (one.file is not None and one.file == other.file)


def _line(origin: Origin) -> int:
    return 0 if origin.code is None else origin.code.co_firstlineno


def _hold_the_same(one: Any, other: Any, known: frozenset[int] = frozenset()) -> bool:
    """Two functions of one code: the same values are bound to them, so they do the same.

    Args:
        known: Ids of functions that are looked at already: one may hold itself.
    """
    held, others = _held(one), _held(other)
    known |= {id(one)}
    return len(held) == len(others) and all(
        _same(value, another, known) for value, another in zip(held, others, strict=True)
    )


def _held(func: Any) -> list[Any]:
    """What a function, method or partial carries along."""
    if isinstance(func, partial):
        return [*_held(func.func), *func.args, *_items(func.keywords)]
    if isinstance(func, MethodType):
        return [func.__self__, *_held(func.__func__)]
    if isinstance(func, FunctionType):
        return [
            func.__code__,
            *(func.__defaults__ or ()),
            *_items(func.__kwdefaults__ or {}),
            *map(_content, func.__closure__ or ()),
        ]
    return [func]


def _items(named: dict[str, Any]) -> Iterable[Any]:
    for pair in sorted(named.items(), key=lambda pair: pair[0]):
        yield from pair


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return None


def _same(one: Any, other: Any, known: frozenset[int]) -> bool:
    if one is other or (type(one) is type(other) and type(one) in ATOMS and one == other):
        return True
    # A decorator holds its function, which was made again if its module was.
    if isinstance(one, FunctionType) and isinstance(other, FunctionType):
        if (one.__module__, one.__qualname__) != (other.__module__, other.__qualname__):
            return False
        again = one.__code__ is not other.__code__ or id(one) in known
        return again or _hold_the_same(one, other, known)
    return False


def refuse_renamed(known: str, name: str, func: Callable[..., Any]) -> None:
    """Raise if a function is registered under another name than the one it has."""
    if known != name:
        raise ConfigurationError(
            f"One function with two task names: {origin_of(func)} is {known!r} already, "
            f"and is asked to be {name!r} too. add_task() is given the function, which could "
            f"then mean either. Write another function that calls it, and register that as "
            f"{name!r}."
        )
