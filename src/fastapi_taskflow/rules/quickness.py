"""Exceptions that can be written at once: no code of the user's runs, no file is read."""

from __future__ import annotations

import linecache
from types import TracebackType
from typing import Any

from fastapi_taskflow.rules.exceptionparts import (
    args_of,
    cause_of,
    context_of,
    members_of,
    str_method_of,
    traceback_of,
)
from fastapi_taskflow.words.plain import ATOMS, CONTAINERS

__all__ = ["is_harmless", "is_quick"]

# Looked at before it gives up.
_MOST_ERRORS = 30
_DEEPEST = 20
_MOST_VALUES = 100
_LONGEST_TEXT = 10_000
_MOST_FRAMES = 1_100
# `linecache` has a pair less where it knows only how to find them.
_LOADED = 2


def is_quick(error: BaseException) -> bool:
    """To write it takes none of the user's code, no file, and next to no time."""
    return _is(error, quick=True)


def is_harmless(error: BaseException) -> bool:
    """To write it takes none of the user's code, though a file may be read."""
    return _is(error, quick=False)


def _is(error: BaseException, *, quick: bool) -> bool:
    try:
        return _looks(error, quick=quick)
    # A class of the user's was in the way.
    except BaseException:
        return False


def _looks(error: BaseException, *, quick: bool) -> bool:
    left = _MOST_VALUES
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        args = args_of(one)
        members = members_of(one)
        left = _plain_values(args[:1] if members else args, left, depth=0)
        if left <= 0 or not _says_as_python(one) or len(seen) > _MOST_ERRORS:
            return False
        if quick and not _has_its_lines(traceback_of(one)):
            return False
        waiting += [each for each in (cause_of(one), context_of(one)) if each is not None]
        waiting += members
    return True


def _plain_values(value: Any, left: int, depth: int) -> int:
    """What is left of the values that may be looked at; 0 if one of them is not plain."""
    if type(value) in ATOMS:
        return left - 1
    if type(value) not in CONTAINERS or len(value) > left or depth > _DEEPEST:
        return 0
    inside = [*value, *value.values()] if type(value) is dict else value
    for one in inside:
        left = _plain_values(one, left, depth + 1)
        if left <= 0:
            return 0
    return left - 1


def _says_as_python(error: BaseException) -> bool:
    says = str_method_of(error)
    if says is BaseException.__str__ or says is KeyError.__str__:
        return True
    # Files and modules: texts of the operating system around the arguments.
    return says in _NATIVE and all(
        type(one) is not str or len(one) <= _LONGEST_TEXT for one in args_of(error)
    )


def _has_its_lines(trace: TracebackType | None) -> bool:
    """The lines of code that a traceback shows are in memory: no file, no loader is asked."""
    left = _MOST_FRAMES
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        # Of those that no file is named like, Python has no lines.
        if len(linecache.cache.get(name, ())) < _LOADED and not name.startswith("<"):
            return False
        left -= 1
        if left <= 0:
            return False
        trace = trace.tb_next
    return True


_NATIVE = (
    OSError.__str__,
    ImportError.__str__,
    UnicodeDecodeError.__str__,
    BaseExceptionGroup.__str__,
)
