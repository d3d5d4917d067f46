"""The classes that stored arguments may name: those that registered functions mention.

A payload names its classes as text. Only names in this table are ever looked up, so
reading a payload imports nothing and makes nothing that the code did not declare.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeGuard, TypeVar

from pydantic import BaseModel

from fastapi_taskflow.errors import ConfigurationError

__all__ = ["TypeTable", "is_storable"]

T = TypeVar("T", bound=type)

# What such a base holds is no field, and would be lost.
_WITH_OWN_CONTENT = (str, bytes, int, float, list, dict, tuple, set, frozenset)


def is_storable(cls: object) -> TypeGuard[type]:
    """True for the kinds of class whose instances can be stored by name."""
    if not isinstance(cls, type):
        return False
    if issubclass(cls, (Enum, BaseModel)):
        return True
    return is_dataclass(cls) and not issubclass(cls, _WITH_OWN_CONTENT)


class TypeTable:
    """Classes by the name that payloads use, ``module:qualified name``.

    Functions are only noted at first; their annotations are read when an unknown class is
    asked for, because they may mention what is defined after the function.
    """

    __slots__ = ("_classes", "_lock", "_names", "_unread", "_whole")

    def __init__(self) -> None:
        self._names: dict[type, str] = {}
        self._classes: dict[str, type] = {}
        # Classes of which every field's annotation could be resolved.
        self._whole: set[type] = set()
        # Functions and classes with annotations that were not read, or not all resolved.
        self._unread: list[Any] = []
        # Serialises reading annotations. `_unread` is emptied last, so whoever misses a
        # class meanwhile comes here and waits.
        self._lock = threading.RLock()

    def add(self, cls: T) -> T:
        """Make a class known, and those that its fields mention.

        Raises:
            ConfigurationError: not an Enum, dataclass or pydantic model.
        """
        if not is_storable(cls):
            raise ConfigurationError(
                f"Expected an Enum, a dataclass or a pydantic model to register, got {cls!r}. "
                "Other classes cannot be stored: make their instances from plain values in the "
                "task."
            )
        with self._lock:
            if not self._walk(cls):
                self._unread.append(cls)
        return cls

    def note(self, func: Callable[..., Any]) -> None:
        """Instances of the classes in this function's annotations may be stored."""
        with self._lock:
            self._unread.append(func)

    def name_of(self, cls: type) -> str | None:
        """The name to store for a class; None if it is not in the table.

        Neither is a class whose name another one has taken since, as after a reload.
        """
        name = self._names.get(cls)
        if name is None and self._unread:
            self._read()
            name = self._names.get(cls)
        return name if name is not None and self._classes[name] is cls else None

    def find(self, name: str) -> type | None:
        """The class of a stored name; None if it is not in the table."""
        cls = self._classes.get(name)
        if cls is None and self._unread:
            self._read()
            cls = self._classes.get(name)
        return cls

    def _read(self) -> None:
        with self._lock:
            missing = []
            # Evaluating annotations may import modules that register more functions.
            for source in self._unread:
                hints, complete = ([source], True) if is_storable(source) else _hints(source)
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
                waiting += parts
            else:
                waiting += _parts(part)
        return complete

    def _enter(self, cls: type) -> tuple[list[Any], bool]:
        """Add one class: the annotations of its fields, and whether those are all."""
        if cls not in self._names:
            name = f"{_module_name(cls)}:{cls.__qualname__}"
            self._names[cls] = name
            self._classes[name] = cls
        if cls in self._whole or issubclass(cls, Enum):
            return [], True
        if issubclass(cls, BaseModel):
            hints, whole = _model_hints(cls)
        else:
            hints, whole = _hints(cls)
        if whole:
            self._whole.add(cls)
        return hints, whole


def _module_name(cls: type) -> str:
    """The module's name as another process imports it, also for the one that was started."""
    name = cls.__module__
    if name != "__main__":
        return name
    main = sys.modules[name]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return name if file is None else PurePath(file).stem


def _model_hints(cls: type[BaseModel]) -> tuple[list[Any], bool]:
    try:
        whole = cls.model_rebuild(raise_errors=False) is not False
        fields = cls.model_fields
    # Annotations are the user's expressions and may raise anything.
    except Exception:
        return [], False
    return [info.annotation for info in fields.values()], whole


def _parts(hint: Any) -> Iterator[Any]:
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
        yield from _hints(hint)[0]
    elif origin is not None:
        yield origin
        yield from typing.get_args(hint)
    elif not isinstance(hint, type):
        # `type Name = ...` of Python 3.12
        yield getattr(hint, "__value__", None)


def _hints(owner: Any) -> tuple[list[Any], bool]:
    """The resolved annotations of a function or class, and whether that is all of them."""
    while isinstance(owner, functools.partial):
        owner = owner.func
    if not isinstance(owner, type) and not hasattr(owner, "__code__"):
        owner = getattr(owner, "__call__", owner)  # noqa: B004  (its annotations are wanted)
    local = _closure(owner)
    try:
        return list(typing.get_type_hints(owner, None, local, include_extras=True).values()), True
    # As in `_model_hints`. One that cannot be resolved must not hide the others.
    except Exception:
        return _hints_one_by_one(owner, local)


def _hints_one_by_one(owner: Any, local: dict[str, Any]) -> tuple[list[Any], bool]:
    resolved: list[Any] = []
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
                resolved.extend(found.values())
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
