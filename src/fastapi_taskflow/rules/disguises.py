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

__all__ = ["Owners", "form_of", "layers", "printable_name"]

# Deeper than any stack of decorators; ``__wrapped__`` may lead round in a circle.
_DEEPEST = 100

T = TypeVar("T")


def layers(func: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
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


def printable_name(func: Callable[..., Any]) -> tuple[str, str]:
    """Its module and what to call it, partials apart; such as can be printed and stored."""
    inner: Any = func
    while isinstance(inner, partial):
        inner = inner.func
    try:
        module, name = inner.__module__, _own_name(inner)
    # An object may answer anything when it is asked for its name.
    except Exception:
        module, name = None, None
    if not isinstance(module, str):
        module = type(inner).__module__
    if not isinstance(name, str) or not name:
        name = type(inner).__name__
    return _printable(module), _printable(name)


def _own_name(inner: Any) -> Any:
    if isinstance(inner, MethodType):
        return inner.__func__.__qualname__.rpartition("<locals>.")[2]
    return getattr(inner, "__name__", None)


def _printable(name: str) -> str:
    name = str.__str__(name)
    return name if name.isprintable() else ascii(name)[1:-1]


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
        # No weak reference, or no hash, for which its class may raise anything.
        except Exception:
            return

    def of(self, func: Callable[..., Any]) -> list[T]:
        """All that are still there."""
        try:
            return list(self._by_func.get(func, ()))
        except Exception:  # as above
            return []
