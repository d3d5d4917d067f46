"""The classes that stored arguments may name: those that registered functions mention.

A stored payload names its classes as text. Only names in this table are ever looked up,
so reading a payload imports nothing and makes nothing that the code did not declare.
"""

from __future__ import annotations

import threading
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel

from fastapi_taskflow.errors import ConfigurationError

__all__ = ["TypeTable", "is_storable"]

T = TypeVar("T", bound=type)


def is_storable(cls: object) -> bool:
    """True for the kinds of class whose instances can be stored by name."""
    return isinstance(cls, type) and (
        issubclass(cls, (Enum, BaseModel)) or is_dataclass(cls)
    )


class TypeTable:
    """Classes by the name that payloads use, ``module:qualified name``.

    Functions are only noted; their annotations are read when a class is first asked for,
    because forward references may be defined after the function.
    """

    __slots__ = ("_classes", "_lock", "_names", "_unread")

    def __init__(self) -> None:
        self._names: dict[type, str] = {}
        self._classes: dict[str, type] = {}
        # Functions with annotations that were not read yet, or could not be.
        self._unread: list[Callable[..., Any]] = []
        # Held while annotations are read, so that no thread sees half of them.
        self._lock = threading.RLock()

    def add(self, cls: T) -> T:
        """Make a class known, and those that its fields mention.

        Raises:
            ConfigurationError: not an Enum, dataclass or pydantic model.
        """
        if not is_storable(cls):
            raise ConfigurationError(
                f"Expected an Enum, dataclass or pydantic model to register, got {cls!r}."
            )
        with self._lock:
            self._walk(cls)
        return cls

    def note(self, func: Callable[..., Any]) -> None:
        """The classes in this function's annotations may be stored from now on."""
        with self._lock:
            self._unread.append(func)

    def name_of(self, cls: type) -> str | None:
        """The name to store for a class; None if it is not in the table."""
        name = self._names.get(cls)
        if name is None and self._unread:
            self._read()
            name = self._names.get(cls)
        return name

    def find(self, name: str) -> type | None:
        """The class of a stored name; None if it is not in the table."""
        cls = self._classes.get(name)
        if cls is None and self._unread:
            self._read()
            cls = self._classes.get(name)
        return cls

    def _read(self) -> None:
        with self._lock:
            self._unread = [func for func in self._unread if not self._read_function(func)]

    def _read_function(self, func: Callable[..., Any]) -> bool:
        """Whether all of its annotations could be resolved."""
        resolved, complete = _hints(func)
        for hint in resolved:
            complete = self._walk(hint) and complete
        return complete

    def _walk(self, hint: Any) -> bool:
        """Add every class that an annotation reaches; False if a part is not resolved."""
        complete, seen, waiting = True, set[int](), [hint]
        while waiting:
            part = waiting.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, (str, typing.ForwardRef)):
                complete = False
            elif is_storable(part):
                complete = self._enter(part, waiting) and complete
            else:
                waiting.extend(_parts(part))
        return complete

    def _enter(self, cls: type, waiting: list[Any]) -> bool:
        known = cls in self._names
        name = f"{cls.__module__}:{cls.__qualname__}"
        self._names[cls] = name
        self._classes[name] = cls
        if known or issubclass(cls, Enum):
            return True
        if issubclass(cls, BaseModel):
            cls.model_rebuild(raise_errors=False)
            waiting.extend(info.annotation for info in cls.model_fields.values())
            return True
        resolved, complete = _hints(cls)
        waiting.extend(resolved)
        return complete


def _parts(hint: Any) -> Iterator[Any]:
    if isinstance(hint, typing.NewType):
        yield hint.__supertype__
    elif isinstance(hint, TypeVar):
        yield hint.__bound__
        yield from hint.__constraints__
    elif typing.get_origin(hint) is typing.Literal:
        # Literal[Colour.RED] mentions the class of the value.
        yield from (type(value) for value in typing.get_args(hint))
    elif isinstance(hint, (list, tuple)):
        # The parameters of Callable[[A], B].
        yield from hint
    elif typing.is_typeddict(hint):
        yield from _hints(hint)[0]
    else:
        yield from typing.get_args(hint)
        origin = typing.get_origin(hint)
        if is_storable(origin):
            yield origin
        # `type Name = ...` of Python 3.12
        yield getattr(hint, "__value__", None)


def _hints(owner: Any) -> tuple[list[Any], bool]:
    """The resolved annotations of a function or class, and whether that is all of them."""
    local = _closure(owner)
    try:
        return list(typing.get_type_hints(owner, None, local, include_extras=True).values()), True
    # Annotations are the user's expressions and may raise anything. One that cannot be
    # resolved must not hide the others.
    except Exception:  # noqa: BLE001
        return _hints_one_by_one(owner, local)


def _hints_one_by_one(owner: Any, local: dict[str, Any]) -> tuple[list[Any], bool]:
    resolved: list[Any] = []
    complete = True
    for part in reversed(owner.__mro__) if isinstance(owner, type) else (owner,):
        namespace = _globals(part)
        for name, hint in _annotations(part).items():
            single = types.SimpleNamespace(__annotations__={name: hint})
            try:
                found = typing.get_type_hints(single, namespace, local, include_extras=True)
            except Exception:  # noqa: BLE001  (as above)
                complete = False
            else:
                resolved.extend(found.values())
    return resolved, complete


def _annotations(owner: Any) -> dict[str, Any]:
    try:
        found = vars(owner).get("__annotations__") or owner.__annotations__
    except Exception:  # noqa: BLE001  (lazily evaluated from Python 3.14 on)
        return {}
    return found if isinstance(found, dict) else {}


def _globals(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type):
        import sys

        return vars(sys.modules.get(owner.__module__, types.ModuleType("")))
    return getattr(owner, "__globals__", {})


def _closure(func: Any) -> dict[str, Any]:
    code, cells = getattr(func, "__code__", None), getattr(func, "__closure__", None)
    local: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, cells, strict=True) if code and cells else ():
        try:
            local[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return local
