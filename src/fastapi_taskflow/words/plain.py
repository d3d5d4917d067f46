"""What Python itself keeps of values and classes, whatever code of theirs stands before it.

An object may lie about its class, and the class of a class may answer anything when it is
asked for a name. Who must not run code of the user's asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar

__all__ = [
    "ATOMS",
    "CONTAINERS",
    "getter",
    "is_a",
    "module_of",
    "mro_of",
    "name_of",
    "namespace_of",
    "qualname_of",
]

T = TypeVar("T")

ATOMS = frozenset[type]({str, int, float, bool, bytes, type(None)})
"""Types of values that nobody can change, with nothing inside."""

CONTAINERS = frozenset[type]({list, tuple, dict, set, frozenset})
"""Types of values with anything inside, perhaps a billion times."""


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """As `isinstance`, which believes what an object says of its class."""
    return issubclass(type(value), kind)


def getter(of: type, name: str) -> Callable[[Any], Any]:
    """Reads an attribute of a class's objects as that class does, not as a subclass would."""
    found = next(cls.__dict__[name] for cls in of.__mro__ if name in cls.__dict__)
    get: Callable[[Any], Any] = found.__get__
    return get


name_of: Callable[[type], str] = getter(type, "__name__")
qualname_of: Callable[[type], str] = getter(type, "__qualname__")
# A class may set it to what is no text.
module_of: Callable[[type], Any] = getter(type, "__module__")
mro_of: Callable[[type], tuple[type, ...]] = getter(type, "__mro__")
namespace_of: Callable[[type], Mapping[str, Any]] = getter(type, "__dict__")
