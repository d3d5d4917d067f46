"""Order keys: what of a task's arguments says which tasks run one after another.

A key is the function's own, ``send_mail():7``, or shared by all functions that name it,
``customer:7``. The value is part of indexes in every backend, so it is short text.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from inspect import Parameter
from types import CoroutineType, UnionType
from typing import Any, NamedTuple

from fastapi_taskflow.rules.placing import is_coroutine_callable
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError, TaskArgumentError
from fastapi_taskflow.words.models import TaskConfig
from fastapi_taskflow.words.plain import is_a, name_of
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.scalars import scalar_text

__all__ = ["VALUE_LIMIT", "Key", "Ordering", "ordered", "ordering_of", "own_key"]

VALUE_LIMIT = 128
"""Characters of a key's value."""

# With a value, a colon and what a store puts before it, it stays below what MySQL can index.
_SCOPE_LIMIT = 110
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_DOTS = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD


class Key:
    """Marks the parameter by whose value tasks run one at a time: ``Annotated[int, Key()]``.

    Args:
        name: Shares the key with other functions that give it the same name: 1 to 64 letters,
            digits, ``_``, ``-`` or ``.``. None: the key is the function's own.

    Raises:
        ConfigurationError: no such name.
    """

    __slots__ = ("name",)

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not (is_a(name, str) and _NAME.fullmatch(name)):
            raise limits.wrong("Key", "1 to 64 letters, digits, '_', '-' or '.'", name)
        self.name = None if name is None else str.__str__(name)

    def __repr__(self) -> str:
        return "Key()" if self.name is None else f"Key({self.name!r})"


class Ordering(NamedTuple):
    """How a function's tasks get their key.

    Attributes:
        scope: Stands before the value.
        parameter: Whose value it is; None: what ``make`` gives for the arguments.
    """

    task: str
    scope: str
    parameter: str | None
    place: int | None = None
    default: Any = None
    make: Callable[..., Any] | None = None

    def value(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """The value for some arguments; None: such a task has no key.

        Raises:
            TaskArgumentError: it is no short text or number, or ``make`` raised something.
        """
        what = f"Task {self.task!r}: its key"
        found = self._found(args, kwargs, what)
        if found is None:
            return None
        if type(found) is CoroutineType:
            # Nobody will await it, and Python need not say so.
            found.close()
        text = scalar_text(what, found)
        if len(text) > VALUE_LIMIT:
            raise TaskArgumentError(
                f"{what} takes 1 to {VALUE_LIMIT} characters, got {len(text)}. Give "
                "key= a function that makes a digest of it."
            )
        return limits.text(what, text, most=VALUE_LIMIT, error=TaskArgumentError)

    def _found(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str) -> Any:
        if self.make is None:
            if self.place is not None and self.place < len(args):
                return args[self.place]
            return kwargs.get(self.parameter or "", self.default)
        try:
            return self.make(*args, **kwargs)
        # Code of the user's, which may raise anything: the caller's error, and nobody else's.
        except BaseException as exc:
            raise TaskArgumentError(
                f"{what} could not be made of the arguments: {name_of(type(exc))} in "
                f"{quoted(self.make)}."
            ) from exc

    def key(self, value: str) -> str:
        """The whole key."""
        return f"{self.scope}:{value}"


def ordering_of(func: Callable[..., Any], task: str, key: object) -> Ordering | None:
    """What ``key=`` and the marks of a function say; None: its tasks have no key.

    Raises:
        ConfigurationError: they name no parameter, or more than one.
    """
    marks = list(_marks(func))
    if len(marks) + (key is not None) > 1:
        named = ", ".join(repr(name) for name, _ in marks)
        raise ConfigurationError(
            f"Task {task!r} takes one key, got several: Key() at {named}"
            f"{'' if key is None else f' and key={quoted(key)}'}. For a key of two values give "
            "key= a function that joins them."
        )
    own = _own_scope(task)
    if marks:
        name, mark = marks[0]
        return _of_parameter(func, task, name, own if mark.name is None else mark.name)
    if key is None:
        return None
    if is_a(key, str):
        return _of_parameter(func, task, str.__str__(key), own)
    if not callable(key) or isinstance(key, type | Key):
        raise limits.wrong("key", "a parameter's name or a function of the task's arguments", key)
    if is_coroutine_callable(key):
        raise ConfigurationError("key takes a plain function: nobody would await this one.")
    return Ordering(task, own, None, make=key)


def ordered(config: TaskConfig, ordering: Ordering | None) -> TaskConfig:
    """The settings with the parameter of a mark as their key.

    Raises:
        ConfigurationError: a setting that needs a key, without one.
    """
    if ordering is None:
        needs = {"on_conflict": config.on_conflict, "key_rate_limit": config.key_rate_limit}
        for setting, value in needs.items():
            if value not in ("queue", None):
                raise ConfigurationError(
                    f"{setting}={value!r} needs a key: give key= a parameter's name, or mark the "
                    "parameter as Annotated[..., Key()]."
                )
        return config
    return config if config.key is not None else replace(config, key=ordering.parameter)


def own_key(task: str, value: str) -> str:
    """A key of a function's own."""
    return f"{_own_scope(task)}:{value}"


def _own_scope(task: str) -> str:
    """Another one for each task, and never a name that `Key` takes."""
    if len(task) + 2 <= _SCOPE_LIMIT and not {":", "~"} & set(task):
        return f"{task}()"
    digest = hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{task[:80].replace(':', '.')}~{digest}()"


def _of_parameter(func: Callable[..., Any], task: str, name: str, scope: str) -> Ordering:
    parameters = _parameters(func)
    found = parameters.get(name)
    if found is None or found.kind is Parameter.VAR_POSITIONAL:
        if name.isidentifier() and any(
            one.kind is Parameter.VAR_KEYWORD for one in parameters.values()
        ):
            return Ordering(task, scope, name)
        raise ConfigurationError(
            f"key={name!r}: task {task!r} has no such parameter.{limits.near(name, parameters)}"
        )
    positional = [one.name for one in parameters.values() if one.kind in _DOTS]
    place = positional.index(name) if name in positional else None
    default = None if found.default is Parameter.empty else found.default
    return Ordering(task, scope, name, place, default)


def _parameters(func: Callable[..., Any]) -> Mapping[str, Parameter]:
    try:
        return inspect.signature(func, follow_wrapped=False).parameters
    except (TypeError, ValueError):
        return {}


def _marks(func: Callable[..., Any]) -> Iterator[tuple[str, Key]]:
    for name, hint in _hints(func).items():
        if isinstance(hint, str):
            if re.search(r"\bKey\b", hint) and name in _parameters(func):
                raise ConfigurationError(
                    f"The annotation of {name!r} seems to have a Key() and cannot be read: "
                    f"{quoted(hint)}. Import what it names, or write key={name!r}."
                )
            continue
        # Annotated[int, Key()] | None has them too.
        for part in (hint, *typing.get_args(hint)) if _is_union(hint) else (hint,):
            for mark in getattr(part, "__metadata__", ()):
                if mark is Key or type(mark) is Key:
                    yield name, mark if type(mark) is Key else Key()


def _is_union(hint: object) -> bool:
    return typing.get_origin(hint) in (typing.Union, UnionType)


def _hints(func: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(func, include_extras=True)
    # A name that only a type checker can see: what is written stays to be looked at.
    except Exception:
        return dict(getattr(func, "__annotations__", {}))
