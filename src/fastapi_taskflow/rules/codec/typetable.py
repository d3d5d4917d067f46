"""The classes that stored arguments may name: those that registered functions mention.

A payload names its classes as text. Only names in this table are ever looked up, so
reading a payload imports nothing and makes nothing that the code did not declare.

Two classes may have one name: modules have classes of their own, and a factory makes one at
each call. A payload belongs to one function, so the classes of its own annotations come
first; only among them is a second one of the same name numbered.
"""

from __future__ import annotations

import sys
import threading
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from inspect import getattr_static
from typing import Any, Protocol, TypeGuard, TypeVar

from pydantic import BaseModel

from fastapi_taskflow.rules.codec.hints import hints_of, model_hints, parts_of
from fastapi_taskflow.rules.codec.naming import class_name, short_name
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["TypeTable", "Types", "is_named_tuple", "is_storable", "moved"]

T = TypeVar("T", bound=type)

# What such a base holds is no field, and would be lost.
_WITH_OWN_CONTENT = (str, bytes, int, float, list, dict, tuple, set, frozenset)


def is_named_tuple(cls: type) -> bool:
    """True for classes that `typing.NamedTuple` or `collections.namedtuple` made."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults")


def is_storable(cls: object) -> TypeGuard[type]:
    """True for the kinds of class whose instances can be stored by name."""
    if not isinstance(cls, type):
        return False
    if issubclass(cls, (Enum, BaseModel)) or is_named_tuple(cls):
        return True
    return is_dataclass(cls) and not issubclass(cls, _WITH_OWN_CONTENT)


class Types(Protocol):
    """Classes by name."""

    def name_of(self, cls: type) -> str | None:
        """The name to store for a class; None if it is not known, or another one has it."""

    def find(self, name: str) -> type | None:
        """The class of a stored name; None if it is not known."""

    def has_twin(self, cls: type) -> bool:
        """Another class has its name."""


class _Scope:
    """The classes that some annotations reach.

    These are only noted at first, and read when an unknown class is asked for, because they
    may mention what is defined later.
    """

    __slots__ = ("_classes", "_lock", "_names", "_printed", "_replaces", "_unread", "_whole")

    def __init__(self, sources: Iterable[Any] = (), *, replaces: bool = False) -> None:
        self._names: dict[type, str] = {}
        self._classes: dict[str, type] = {}
        # By the name that earlier versions stored, where it is another one.
        self._printed: dict[str, type] = {}
        # A newer class takes the name of an older one, as after a reload.
        self._replaces = replaces
        # Classes of which every field's annotation could be resolved.
        self._whole: set[type] = set()
        # Functions and classes with annotations that were not read, or not all resolved.
        self._unread: list[Any] = list(sources)
        # Serialises reading annotations. `_unread` is emptied last, so whoever misses a
        # class meanwhile comes here and waits.
        self._lock = threading.RLock()

    def add(self, cls: type) -> None:
        with self._lock:
            if not self._walk(cls):
                self._unread.append(cls)

    def name_of(self, cls: type) -> str | None:
        name = self._names.get(cls)
        if name is None and self._unread:
            self._read()
            name = self._names.get(cls)
        return name if name is not None and self._classes[name] is cls else None

    def find(self, name: str) -> type | None:
        cls = self._classes.get(name)
        if cls is None and self._unread:
            self._read()
            cls = self._classes.get(name)
        return self._printed.get(name) if cls is None else cls

    def _read(self) -> None:
        with self._lock:
            missing = []
            # Evaluating annotations may import modules that register more functions.
            for source in self._unread:
                hints, complete = ([source], True) if is_storable(source) else hints_of(source)
                for hint in hints:
                    complete = self._walk(hint) and complete
                if not complete:
                    missing.append(source)
            self._unread = missing

    def _walk(self, hint: Any) -> bool:
        """Add every class that an annotation reaches; False if a part is not resolved."""
        complete, waiting = True, [hint]
        # By identity: a part of an annotation need not have a hash. It keeps them alive.
        seen: dict[int, Any] = {}
        while waiting:
            part = waiting.pop()
            if id(part) in seen:
                continue
            seen[id(part)] = part
            if isinstance(part, (str, typing.ForwardRef)):
                complete = False
            elif is_storable(part):
                parts, whole = self._enter(part)
                complete = complete and whole
                waiting += reversed(parts)
            else:
                waiting += reversed(list(parts_of(part)))
        return complete

    def _enter(self, cls: type) -> tuple[list[Any], bool]:
        """Add one class: the annotations of its fields, and whether those are all."""
        if cls not in self._names:
            name = self._names[cls] = self._free(class_name(cls))
            self._classes[name] = cls
            if (printed := short_name(cls)) != name:
                self._printed.setdefault(printed, cls)
        if cls in self._whole or issubclass(cls, Enum):
            return [], True
        hints, whole = model_hints(cls) if issubclass(cls, BaseModel) else hints_of(cls)
        if whole:
            self._whole.add(cls)
        return hints, whole

    def _free(self, name: str) -> str:
        """Numbered if it is taken; in the order of the annotations, the same in each process."""
        if self._replaces or name not in self._classes:
            return name
        number = 2
        while f"{name}#{number}" in self._classes:
            number += 1
        return f"{name}#{number}"


class TypeTable:
    """The classes of one manager, by the name that payloads use."""

    __slots__ = ("_added", "_functions", "_views")

    def __init__(self) -> None:
        self._added = _Scope(replaces=True)
        # By task name. A function that is registered again replaces its older self, and the
        # classes that only that one mentioned are forgotten.
        self._functions: dict[object, _Scope] = {}
        self._views: dict[object, Types] = {}

    def add(self, cls: T) -> T:
        """Make a class known to all functions, and those that its fields mention.

        Raises:
            ConfigurationError: not an Enum, dataclass, NamedTuple or pydantic model; or its
                name is that of another class, which is not an older version of this one.
        """
        if not is_storable(cls):
            raise ConfigurationError(
                "Expected an Enum, a dataclass, a NamedTuple or a pydantic model to register, "
                f"got {cls!r}. Other classes cannot be stored: make their instances from plain "
                "values in the task."
            )
        older = self._added.find(class_name(cls))
        if older is not None and older is not cls and not _is_remade(older, cls):
            raise ConfigurationError(
                f"Two classes have one name, {class_name(cls)!r}: one with {_members(older)}, "
                f"and one with {_members(cls)}. What is stored could mean either; rename one."
            )
        self._added.add(cls)
        return cls

    def note(self, func: Callable[..., Any], name: str | None = None) -> None:
        """Instances of the classes in this task's annotations may be stored."""
        key = func if name is None else name
        scope = self._functions[key] = _Scope([func])
        self._views[key] = _View(scope, self)

    def of(self, name: str) -> Types:
        """The classes as the task of this name means them."""
        return self._views.get(name, self)

    def name_of(self, cls: type) -> str | None:
        """See `Types`."""
        names = (scope.name_of(cls) for scope in self._scopes())
        name = next((name for name in names if name is not None), None)
        return name if name is not None and self.find(name) is cls else None

    def find(self, name: str) -> type | None:
        """See `Types`."""
        cls = self._added.find(name)
        if cls is not None:
            return cls
        found = {scope.find(name) for scope in self._scopes()} - {None}
        return found.pop() if len(found) == 1 else None

    def has_twin(self, cls: type) -> bool:
        """Another class has its name."""
        found = {scope.find(class_name(cls)) for scope in self._scopes()}
        return bool(found - {None, cls})

    def _scopes(self) -> Iterator[_Scope]:
        yield self._added
        yield from list(self._functions.values())


class _View:
    """A function's own classes first, then those that all know."""

    __slots__ = ("_own", "_table")

    def __init__(self, own: _Scope, table: TypeTable) -> None:
        self._own = own
        self._table = table

    def name_of(self, cls: type) -> str | None:
        name = self._own.name_of(cls)
        if name is None:
            name = self._table.name_of(cls)
            # The function's own annotations may mean another class by it.
            if name is not None and self.find(name) is not cls:
                return None
        return name

    def find(self, name: str) -> type | None:
        return self._own.find(name) or self._table.find(name)

    def has_twin(self, cls: type) -> bool:
        return self._table.has_twin(cls)


def moved(types: Types, name: str) -> type | None:
    """The known class that the module of a stored name still has by it, though it lives elsewhere.

    As with pickles, a class that has moved is found as long as its old place imports it.
    """
    found = _at(*name.split(":", 1)) if isinstance(name, str) and ":" in name else None
    return found if is_storable(found) and types.name_of(found) is not None else None


def _is_remade(older: type, newer: type) -> bool:
    """The older one is what its module has by that name, or looks the same: a reload."""
    found = _at(older.__module__, older.__qualname__)
    return found is older or _members(older) == _members(newer)


def _at(module: str, qualname: str) -> object:
    """What a loaded module has by that name; imports nothing and runs none of its code."""
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr_static(found, part, None)
    return found


def _members(cls: Any) -> str:
    if issubclass(cls, Enum):
        names = list(cls.__members__)
    elif issubclass(cls, BaseModel):
        names = list(cls.model_fields)
    elif is_dataclass(cls):
        names = [field.name for field in fields(cls)]
    else:
        names = list(cls._fields)
    return ", ".join(names) or "no fields"
