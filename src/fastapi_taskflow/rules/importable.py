"""Functions by the names under which another process imports them."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import islice
from types import FunctionType
from typing import Any, NamedTuple

from fastapi_taskflow.rules.disguises import layers
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Reference", "check_importable", "reference_of", "resolved"]


class Reference(NamedTuple):
    """Where a function stands: the ``depth``-th layer (see `layers`) of what the name leads to."""

    module: str
    qualname: str
    depth: int = 0


def check_importable(func: Callable[..., Any]) -> None:
    """Refuse what another process cannot import.

    Whether its name leads to it is seen when it is called: a decorator runs before the name is
    there.

    Raises:
        ConfigurationError: why not, and what to do.
    """
    if os.name != "posix":
        raise ConfigurationError("processes for tasks need Linux or macOS. Use 'thread'.")
    inner: Any = func
    while isinstance(inner, partial):
        inner = inner.func
    if not isinstance(inner, FunctionType):
        _check_pickled(inner)
        return
    if "<lambda>" in inner.__qualname__:
        raise ConfigurationError(
            "a lambda has no name by which a child process could import it. Write a `def` at the "
            "top level of a module."
        )
    if "<locals>" in inner.__qualname__:
        raise ConfigurationError(
            "it is made inside another function, from where a child process cannot import it. Move "
            "it to the top level of its module."
        )
    _module_of(inner)


def _check_pickled(inner: object) -> None:
    try:
        pickle.dumps(inner)
    # A class of the user's own says how.
    except Exception as exc:
        raise ConfigurationError(f"it cannot be sent to a child process: {exc}.") from exc


def _module_of(func: FunctionType) -> str:
    if func.__module__ != "__main__":
        return func.__module__
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        raise ConfigurationError(
            "it stands in the program that was started (__main__), which a child process does not "
            "run again. Move it into a module and import it from there; `uvicorn module:app` and "
            "`python -m module` import it as well."
        )
    name: str = spec.name
    return name


def reference_of(func: Callable[..., Any]) -> Reference | Callable[..., Any]:
    """How to say a function to another process; other callables are pickled themselves.

    Raises:
        ConfigurationError: its name leads to something else.
    """
    if not isinstance(func, FunctionType):
        return func
    check_importable(func)
    try:
        outer = _at(sys.modules[func.__module__], func.__qualname__)
    except (KeyError, AttributeError):
        outer = None
    for depth, layer in enumerate(() if outer is None else layers(outer)):
        if layer is func:
            return Reference(_module_of(func), func.__qualname__, depth)
    raise ConfigurationError(
        f"A child process cannot import {func.__qualname__}: in {func.__module__} this name leads "
        "to something else. A decorator above @task that does not use functools.wraps hides the "
        "function; put @task on top."
    )


def resolved(found: Reference | Callable[..., Any]) -> Callable[..., Any]:
    """The callable that `reference_of` meant, in this process.

    Raises:
        Exception: its module cannot be imported, or has changed.
    """
    if not isinstance(found, Reference):
        return found
    outer = _at(import_module(found.module), found.qualname)
    return next(islice(layers(outer), found.depth, None))


def _at(module: object, qualname: str) -> Any:
    found = module
    for name in qualname.split("."):
        found = getattr(found, name)
    return found
