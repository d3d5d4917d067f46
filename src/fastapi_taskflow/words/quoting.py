"""Values as messages quote them: short, and without running any code of theirs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType
from typing import Any
from uuid import UUID

from fastapi_taskflow.words.plain import CONTAINERS, module_of, qualname_of

__all__ = ["quoted"]

_MOST_CHARACTERS = 60
# An integer of more digits than fit takes time to write, and beyond 4,300 an error.
_MOST_BITS = 200
_PLAIN = frozenset[type]({float, bool, type(None), date, timedelta, UUID, complex, type(...)})
_TEXTS = frozenset[type]({str, bytes, bytearray})
_CALLABLES = frozenset[type]({FunctionType, BuiltinFunctionType, MethodType, CoroutineType})


def quoted(value: object) -> str:
    """The value, or what it is where that would be long or its class is a user's."""
    try:
        return _quoted(value, type(value))
    # Where a class is of a class of the user's, that code runs all the same.
    except BaseException:
        return "an object"


def _quoted(value: Any, kind: type) -> str:
    if kind in _TEXTS:
        start = repr(value[:_MOST_CHARACTERS])
        return start if len(value) <= _MOST_CHARACTERS else f"{start}... ({len(value)} long)"
    if kind is int:
        bits = value.bit_length()
        return repr(value) if bits <= _MOST_BITS else f"an integer of {bits} bits"
    if kind is Decimal:
        return f"Decimal('{value:.30g}')"
    if kind is datetime or kind is time:
        # Its zone's code would run.
        return str(value.replace(tzinfo=None).isoformat())
    if kind in CONTAINERS:
        return f"a {kind.__name__} of {len(value)}" if value else repr(value)
    return repr(value) if kind in _PLAIN else _kind(value, kind)


def _kind(value: Any, kind: type) -> str:
    if kind in _CALLABLES:
        return f"{kind.__name__} {value.__qualname__}"
    if issubclass(kind, type):
        return f"the class {_name(value)}"
    if issubclass(kind, Enum):
        return f"{kind.__qualname__}.{value._name_}"
    return f"an object of {_name(kind)}"


def _name(cls: type) -> str:
    module, name = module_of(cls), qualname_of(cls)
    return name if module == "builtins" else f"{module}.{name}"
