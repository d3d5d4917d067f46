"""What a function takes: which arguments fit, and which of its parameters have what names.

A task's arguments are checked when it is added, which is on everybody's way: so what can be
known of a function is worked out once, and the check is a few set operations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from types import FunctionType
from typing import Any, NamedTuple

from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.models import TaskConfig
from fastapi_taskflow.words.quoting import quoted

__all__ = ["OPTION_NAMES", "Shape", "own_options", "shape_of"]

OPTION_NAMES = frozenset({
    "idempotency_key", "tags", "eager", "priority", "queue", "delay", "run_at", "session",
    "debounce", "throttle",
})  # fmt: skip
"""Keyword arguments that ``add_task`` and ``enqueue`` read themselves."""

_SETTINGS = frozenset(TaskConfig.__dataclass_fields__)

_INJECTED = (
    "{} would be what FastAPI's Depends() or the like stands for, which nobody puts into tasks. "
    "Pass a value, or make it in the task."
)
# Starlette is no concern of this floor, so they are known by name.
_OF_REQUESTS = frozenset({
    ("starlette.requests", "HTTPConnection"),
    ("starlette.responses", "Response"),
    ("starlette.background", "BackgroundTasks"),
})  # fmt: skip

_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class _Rest(NamedTuple):
    """What keywords may and must say after some positional arguments."""

    required: frozenset[str]
    allowed: frozenset[str]
    # Those that the positional arguments have filled.
    taken: frozenset[str]


class Shape:
    """The parameters of one function.

    Invariant: ``_rests[n]`` is what ``n`` positional arguments leave to the keywords; None where
    they cannot be enough. With ``*args`` the last one stands for all further ones.
    """

    __slots__ = ("_func", "_many", "_open", "_positional", "_rests", "_signature")

    def __init__(self, func: Callable[..., Any]) -> None:
        self._func = func
        self._signature = signature = inspect.signature(func, follow_wrapped=False)
        parameters = list(signature.parameters.values())
        kinds = {parameter.kind for parameter in parameters}
        self._many = Parameter.VAR_POSITIONAL in kinds
        self._open = Parameter.VAR_KEYWORD in kinds
        positional = [p for p in parameters if p.kind in _POSITIONAL]
        named = [p for p in parameters if p.kind in _NAMED]
        self._positional = positional
        self._rests = [_rest(positional, named, n) for n in range(len(positional) + 1)]

    def check(self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments with which the function cannot be called.

        Raises:
            TaskArgumentError: they do not fit; the message names the parameter.
        """
        if not self._fit(args, kwargs):
            self._refuse(task, args, kwargs)

    def with_next(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments with one more, as the next free positional parameter; None: none is."""
        given = len(args)
        for number, parameter in enumerate(self._positional[given:], given):
            if parameter.name in kwargs and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD:
                continue
            if number == given:
                return (*args, value), kwargs
            return args, {**kwargs, parameter.name: value}
        named = any(parameter.name in kwargs for parameter in self._positional)
        return ((*args, value), kwargs) if self._many and not named else None

    def _fit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        count = len(args)
        if count < len(self._rests):
            rest = self._rests[count]
        elif self._many:
            rest = self._rests[-1]
        else:
            return False
        if rest is None:
            return False
        if not kwargs:
            return not rest.required
        names = kwargs.keys()
        if not rest.required <= names:
            return False
        return names.isdisjoint(rest.taken) if self._open else names <= rest.allowed

    def _refuse(self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as exc:
            takes = self._signature.replace(
                parameters=[
                    p.replace(
                        annotation=Parameter.empty,
                        default=p.default if p.default is Parameter.empty else _DOTS,
                    )
                    for p in self._signature.parameters.values()
                ],
                return_annotation=inspect.Signature.empty,
            )
            given = self._strangers(kwargs, str(exc))
            hint = self._hint(len(args), kwargs)
            raise TaskArgumentError(
                f"Task {task!r}: {exc}. It takes {takes}.{given}{hint}"
            ) from None
        injected = [name for name, p in self._signature.parameters.items() if _is_injected(p)]
        if injected:
            raise TaskArgumentError(f"Task {task!r}: {_INJECTED.format(', '.join(injected))}")

    def _strangers(self, kwargs: dict[str, Any], said: str) -> str:
        """The unknown name that the hint is about, where Python tells of a missing one."""
        unknown = min(kwargs.keys() - self._signature.parameters.keys(), default=None)
        if unknown is None or self._open or repr(unknown) in said:
            return ""
        return f" It was given {quoted(unknown)}, which it does not take."

    def _hint(self, count: int, kwargs: dict[str, Any]) -> str:
        """What was probably meant, as a sentence; empty if nobody can tell."""
        parameters = self._signature.parameters
        unknown = kwargs.keys() - parameters.keys()
        if unknown:
            return _advice(min(unknown), parameters.keys() - kwargs.keys())
        left = list(parameters)[count:]
        injected = [n for n in left if n not in kwargs and self._is_for_endpoints(n)]
        return f" {_INJECTED.format(', '.join(injected))}" if injected else ""

    def _is_for_endpoints(self, name: str) -> bool:
        """FastAPI would give the value of this parameter, by its annotation."""
        try:
            known = inspect.signature(self._func, follow_wrapped=False, eval_str=True)
            annotation = known.parameters[name].annotation
            marks = getattr(annotation, "__metadata__", (annotation,))
            return any(_is_a_mark(mark) or _is_a_requests(mark) for mark in marks)
        # Annotations of names that are not there, and whatever objects of the user's raise.
        except Exception:
            return False


class _Dots:
    def __repr__(self) -> str:
        return "..."


_DOTS = _Dots()


def _advice(unknown: str, parameters: set[str]) -> str:
    if unknown in OPTION_NAMES:
        also = "" if unknown == "eager" else " and enqueue"
        return f" {unknown} is an option of add_task{also}, beside the arguments."
    if unknown in _SETTINGS and not near(unknown, parameters):
        return f" {unknown} is a setting of the function: @task_manager.task({unknown}=...)."
    return near(unknown, parameters | OPTION_NAMES)


def _is_injected(parameter: Parameter) -> bool:
    """FastAPI gives the value, in endpoints only."""
    return _is_a_mark(parameter.default)


def _is_a_mark(value: object) -> bool:
    return type(value).__module__ == "fastapi.params"


def _is_a_requests(annotation: object) -> bool:
    """A class of what belongs to one request, such as `Request` or `BackgroundTasks`."""
    kinds = getattr(annotation, "__mro__", ())
    return any((kind.__module__, kind.__qualname__) in _OF_REQUESTS for kind in kinds)


def _rest(positional: list[Parameter], named: list[Parameter], count: int) -> _Rest | None:
    left = positional[count:]
    if any(p.kind is Parameter.POSITIONAL_ONLY and p.default is p.empty for p in left):
        return None
    filled = {p.name for p in positional[:count]}
    open_ = [p for p in named if p.name not in filled]
    return _Rest(
        frozenset(p.name for p in open_ if p.default is p.empty or _is_injected(p)),
        frozenset(p.name for p in open_),
        frozenset(p.name for p in named if p.name in filled),
    )


def shape_of(func: Callable[..., Any]) -> Shape | None:
    """The parameters that a call of ``func`` itself meets; None if they are not to be known.

    Not those of a function that it wraps: a decorator may add arguments of its own.
    """
    try:
        return Shape(func)
    # Functions written in C have none, and a callable object may raise anything.
    except Exception:
        return None


def own_options(func: Callable[..., Any]) -> frozenset[str]:
    """The names of options that are parameters of the function, or of one that it wraps."""
    if type(func) is FunctionType and not hasattr(func, "__wrapped__"):
        code = func.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        return OPTION_NAMES.intersection(code.co_varnames[code.co_posonlyargcount : count])
    return OPTION_NAMES & (_names(func, follow=False) | _names(func, follow=True))


def _names(func: Callable[..., Any], *, follow: bool) -> set[str]:
    try:
        parameters = inspect.signature(func, follow_wrapped=follow).parameters.values()
    # As in `shape_of`.
    except Exception:
        return set()
    return {parameter.name for parameter in parameters if parameter.kind in _NAMED}
