"""What hides a registered function: the callables around it, and other registries.

`add_task` is given a callable. A decorator above ``@task``, a partial or a bound method is
another object than the registered function, and another manager knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet

__all__ = ["Owners", "form_of", "inside", "name_of"]

# Deeper than any stack of decorators; ``__wrapped__`` may lead round in a circle.
_DEEPEST = 100

T = TypeVar("T")


def inside(func: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The callable itself, and the functions that it leads to, from the outside in."""
    current: Any = func
    for _ in range(_DEEPEST):
        if current is None:
            return
        yield current
        current = _next(current)


def form_of(func: Callable[..., Any]) -> str:
    """What the outermost layer of a callable is called."""
    if isinstance(func, partial):
        return "a functools.partial"
    if isinstance(func, MethodType):
        return "a bound method"
    return "a decorated form" if _wrapped(func) is not None else "an object"


def name_of(func: Callable[..., Any]) -> tuple[str, str]:
    """Its module and what to call it, partials apart."""
    inner: Any = func
    while isinstance(inner, partial):
        inner = inner.func
    module = str(inner.__module__)
    if isinstance(inner, MethodType):
        return module, inner.__func__.__qualname__.rpartition("<locals>.")[2]
    name = getattr(inner, "__name__", None)
    return module, name if isinstance(name, str) and name else type(inner).__name__


def _next(func: Any) -> Any:
    if isinstance(func, partial):
        return func.func
    if isinstance(func, MethodType):
        return func.__func__
    wrapped = _wrapped(func)
    if wrapped is not None or isinstance(func, FunctionType | type):
        return wrapped
    call = type(func).__call__
    return call if isinstance(call, FunctionType) else None


def _wrapped(func: Any) -> Any:
    """What `functools.wraps` has left; not asked of the object, which may answer anything."""
    try:
        return object.__getattribute__(func, "__dict__").get("__wrapped__")
    except AttributeError:  # it has no dictionary
        return None


class Owners(Generic[T]):
    """Who registered which function. Keeps neither alive."""

    def __init__(self) -> None:
        self._by_func: WeakKeyDictionary[Callable[..., Any], WeakSet[Any]] = WeakKeyDictionary()

    def add(self, func: Callable[..., Any], owner: T) -> None:
        """Remember one; what has no weak reference is left out."""
        try:
            self._by_func.setdefault(func, WeakSet()).add(owner)
        except TypeError:
            return

    def of(self, func: Callable[..., Any]) -> list[T]:
        """All that are still there."""
        try:
            return list(self._by_func.get(func, ()))
        except TypeError:  # no hash, or no weak reference
            return []
