"""What the annotations of functions and classes mention."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

__all__ = ["hints_by_name", "hints_of", "model_hints", "parts_of"]


def model_hints(cls: type[BaseModel]) -> tuple[list[Any], bool]:
    """As `hints_of`, for a model."""
    try:
        whole = cls.model_rebuild(raise_errors=False) is not False
        fields = cls.model_fields
    # Annotations are the user's expressions and may raise anything.
    except Exception:
        return [], False
    return [info.annotation for info in fields.values()], whole


def parts_of(hint: Any) -> Iterator[Any]:
    """What an annotation is made of; nothing for a plain class."""
    origin = typing.get_origin(hint)
    if isinstance(hint, typing.NewType):
        yield hint.__supertype__
    elif isinstance(hint, TypeVar):
        yield hint.__bound__
        yield from hint.__constraints__
    elif isinstance(hint, (list, tuple)):
        # The parameters in Callable[[A], B].
        yield from hint
    elif origin is typing.Literal:
        # Literal[Colour.RED] mentions the class of the value.
        yield from map(type, typing.get_args(hint))
    elif typing.is_typeddict(hint):
        yield from hints_of(hint)[0]
    elif origin is not None:
        yield origin
        yield from typing.get_args(hint)
    elif not isinstance(hint, type):
        # `type Name = ...` of Python 3.12
        yield getattr(hint, "__value__", None)


def hints_of(owner: Any) -> tuple[list[Any], bool]:
    """The resolved annotations of a function or class, and whether that is all of them."""
    pairs, complete = _named(owner)
    return [hint for _, hint in pairs], complete


def hints_by_name(func: Any) -> dict[str, Any]:
    """The annotations of a function's parameters, as far as they can be resolved."""
    return dict(_named(func)[0])


def _named(owner: Any) -> tuple[list[tuple[str, Any]], bool]:
    while isinstance(owner, functools.partial):
        owner = owner.func
    if not isinstance(owner, type) and not hasattr(owner, "__code__"):
        owner = getattr(owner, "__call__", owner)  # noqa: B004  (its annotations are wanted)
    local = _closure(owner)
    try:
        return list(typing.get_type_hints(owner, None, local, include_extras=True).items()), True
    # As in `model_hints`. One that cannot be resolved must not hide the others.
    except Exception:
        return _hints_one_by_one(owner, local)


def _hints_one_by_one(owner: Any, local: dict[str, Any]) -> tuple[list[tuple[str, Any]], bool]:
    resolved: list[tuple[str, Any]] = []
    complete = True
    for part in owner.__mro__ if isinstance(owner, type) else (owner,):
        namespace = _globals(part)
        for name, hint in _annotations(part).items():
            single = types.SimpleNamespace(__annotations__={name: hint})
            try:
                found = typing.get_type_hints(single, namespace, local, include_extras=True)
            except Exception:  # as above
                complete = False
            else:
                resolved.extend(found.items())
    return resolved, complete


def _annotations(owner: Any) -> dict[str, Any]:
    try:
        return inspect.get_annotations(owner)
    except Exception:  # evaluated here from Python 3.14 on; or no function at all
        return {}


def _globals(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type):
        return vars(sys.modules.get(owner.__module__, types))
    found = getattr(owner, "__globals__", {})
    return found if isinstance(found, dict) else {}


def _closure(func: Any) -> dict[str, Any]:
    """The names of enclosing functions that this one uses, so far as they are assigned."""
    code, cells = getattr(func, "__code__", None), getattr(func, "__closure__", None)
    local: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, cells, strict=True) if code and cells else ():
        try:
            local[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return local
