"""The text by which a payload names a class: ``module:qualified name``.

It is the same in every process. A generic model's contains the full names of its parameters,
because `Page[billing.Order]` and `Page[shipping.Order]` print alike.
"""

from __future__ import annotations

import re
import sys
import typing
from pathlib import PurePath
from typing import Any

__all__ = ["class_name", "short_name"]

# The started program, and the same one in its worker processes.
_STARTED = ("__main__", "__mp_main__")
# What `repr` shows of an object that has none of its own; another one in each process.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def class_name(cls: type) -> str:
    """The name to store."""
    origin, parameters = _generic(cls)
    if not parameters:
        return short_name(cls)
    return f"{class_name(origin)}[{', '.join(map(_label, parameters))}]"


def short_name(cls: type) -> str:
    """The name as the class prints itself, which earlier versions stored."""
    return f"{_module_name(cls)}:{cls.__qualname__}"


def _generic(cls: type) -> tuple[Any, tuple[Any, ...]]:
    """Of a pydantic model with parameters: the model without them, and the parameters."""
    known = cls.__dict__.get("__pydantic_generic_metadata__")
    if not known or known["origin"] is None:
        return None, ()
    return known["origin"], known["args"]


def _label(hint: Any) -> str:
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        name = class_name(hint)
        return name.removeprefix("builtins:")
    parts = typing.get_args(hint)
    if not parts:
        return _ADDRESS.sub("", repr(hint))
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        parts = (hint.__origin__, *hint.__metadata__)
    name = origin.__qualname__ if isinstance(origin, type) else repr(origin)
    return f"{name}[{', '.join(map(_label, parts))}]"


def _module_name(cls: type) -> str:
    """The module's name as another process imports it, also for the one that was started."""
    name = cls.__module__
    if name not in _STARTED:
        return name
    main = sys.modules.get(name)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return name if file is None else PurePath(file).stem
