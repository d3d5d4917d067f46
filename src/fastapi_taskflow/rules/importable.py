"""Functions by the names under which another process imports them."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from types import FunctionType
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from fastapi_taskflow.rules import programs
from fastapi_taskflow.rules.disguises import layers
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = [
    "Reference",
    "can_send_code",
    "check_importable",
    "is_of_prompt",
    "module_of",
    "reference_of",
    "resolved",
]


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
    if func.__module__ not in programs.NAMES:
        return func.__module__
    if programs.own() is None and not can_send_code():
        raise ConfigurationError(
            "it was typed at a prompt or in a notebook, or given with `python -c`, from where a "
            "child process cannot import it. Install 'fastapi-taskflow[process]', which sends it "
            "as it is, or move it into a module."
        )
    return "__main__"


def can_send_code() -> bool:
    """Cloudpickle is installed."""
    return find_spec("cloudpickle") is not None


# Of functions that were said before: what their names led to then.
_said: WeakKeyDictionary[FunctionType, tuple[Reference, ReferenceType[Any]]] = WeakKeyDictionary()


def module_of(func: Callable[..., Any]) -> str | None:
    """The module that another process imports for a function; None: it is pickled itself."""
    return _module_of(func) if isinstance(func, FunctionType) else None


def reference_of(func: Callable[..., Any]) -> Reference | Callable[..., Any]:
    """How to say a function to another process; other callables are pickled themselves.

    So is a function of a prompt, which no other process can run: by value.

    Raises:
        ConfigurationError: its name leads to something else.
    """
    if not isinstance(func, FunctionType) or is_of_prompt(func):
        return func
    outer = _outer_of(func)
    known = _said.get(func)
    if known is not None and known[1]() is outer:
        return known[0]
    reference = _reference_of(func, outer)
    with suppress(TypeError):  # an object above the function that no weak reference can lead to
        _said[func] = reference, ref(outer)
    return reference


def is_of_prompt(value: Any) -> bool:
    """A function or class of ``__main__``, where that is no program that can be run again."""
    return getattr(value, "__module__", None) == "__main__" and programs.own() is None


def _outer_of(func: FunctionType) -> Any:
    """What its name leads to; None: nothing."""
    try:
        return _at(sys.modules[func.__module__], func.__qualname__)
    except (KeyError, AttributeError):
        return None


def _reference_of(func: FunctionType, outer: Any) -> Reference:
    check_importable(func)
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
    return _resolved(found) if isinstance(found, Reference) else found


@lru_cache(1_024)
def _resolved(found: Reference) -> Callable[..., Any]:
    outer = _at(import_module(found.module), found.qualname)
    return next(islice(layers(outer), found.depth, None))


def _at(module: object, qualname: str) -> Any:
    found = module
    for name in qualname.split("."):
        found = getattr(found, name)
    return found
