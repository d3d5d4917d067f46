"""Titles: what people read instead of a function's name and its arguments.

A title is a format over the function's parameters, in the words of ``str.format``, or a function
of the same arguments. It is made once, when a task is accepted; whatever fails in it costs the
title and nothing else.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple
from uuid import UUID

from fastapi_taskflow.rules.placing import is_coroutine_callable
from fastapi_taskflow.rules.redaction import MASK, Mask, Redactor
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.said import TITLE_CHARACTERS, line_of
from fastapi_taskflow.words.texts import as_text

__all__ = ["checked_title", "title_of"]

logger = logging.getLogger(__name__)

Given = str | Callable[..., str]

# Written as the format says, in next to no time.
_SCALARS = frozenset[type]({
    *(str, float, bool, Decimal, UUID, datetime, date, time, timedelta, type(None)),
})  # fmt: skip
_LONGEST_TEXT = 4_096
# An integer of more digits than anybody reads takes time to write.
_MOST_BITS = 2_048
# Names that begin with an underscore are the object's own affair.
_FIELD = re.compile(r"(?P<name>[^\W\d]\w*)(?P<path>(?:\.[^\W\d_]\w*|\[[^][]+\])*)")
_STEP = re.compile(r"\.(\w+)|\[([^][]+)\]")
_WIDTH = re.compile(r"\d{3}")


class _Field(NamedTuple):
    """``{name.attribute[key]:spec}``; ``steps`` are attributes (True) and keys."""

    before: str
    name: str
    steps: tuple[tuple[bool, str], ...]
    spec: str


def checked_title(func: Callable[..., Any], title: object) -> Given | None:
    """The title, if it can be made of the function's arguments.

    Raises:
        ConfigurationError: it is none, or names what is no parameter.
    """
    if title is None:
        return None
    if isinstance(title, str):
        _fields(str(title), _names(func))
        return str(title)
    if not callable(title) or isinstance(title, type):
        raise ConfigurationError(
            "title takes a text such as 'Invoice {invoice_id}' or a function of the task's "
            f"arguments, got {quoted(title)}."
        )
    if is_coroutine_callable(title):
        raise ConfigurationError("title takes a plain function: nobody would await this one.")
    return title


def title_of(
    func: Callable[..., Any],
    title: Given | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    redactor: Redactor,
) -> str | None:
    """A task's title, on one line and without secrets; None where there is none.

    Never raises.
    """
    if title is None:
        return None
    try:
        mask = redactor.mask_of(func, args, kwargs)
        if isinstance(title, str):
            text = _formatted(func, title, args, kwargs, redactor, mask)
        else:
            text = title(*args, **kwargs)
        return line_of(text, TITLE_CHARACTERS, mask) or None if text else None
    # Code of the user's, and of the arguments', for which no task is refused.
    except BaseException as exc:
        _complain(quoted(title), name_of(type(exc)))
        return None


@lru_cache(maxsize=256)
def _complain(title: str, error: str) -> None:
    """Once each: what it says may be of the arguments, and is left out."""
    logger.warning("A title could not be made of %s: %s", title, error)


def _formatted(
    func: Callable[..., Any],
    title: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    redactor: Redactor,
    mask: Mask,
) -> str:
    fields, after = _compiled(func, title)
    values = _signature(func).bind(*args, **kwargs)
    values.apply_defaults()
    found = _flat(values)
    parts = []
    for one in fields:
        parts += [one.before, _written(func, one, found[one.name], redactor, mask)]
    return "".join([*parts, after])


def _written(
    func: Callable[..., Any], field: _Field, value: Any, redactor: Redactor, mask: Mask
) -> str:
    if redactor.hides(func, field.name):
        return MASK
    name = field.name
    for is_attribute, name in field.steps:
        if redactor.is_sensitive(name):
            return MASK
        value = getattr(value, name) if is_attribute else value[_key(value, name)]
    kind = type(value)
    if kind is str:
        value = value[:_LONGEST_TEXT]
    if kind in _SCALARS or (kind is int and value.bit_length() <= _MOST_BITS):
        return str(value) if value is None or not field.spec else format(value, field.spec)
    return as_text(redactor.details({name: value}, mask)[name])


def _key(value: Any, text: str) -> str | int:
    return int(text) if text.isdecimal() and not isinstance(value, Mapping) else text


@lru_cache(maxsize=1024)
def _signature(func: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(func, follow_wrapped=False)


@lru_cache(maxsize=1024)
def _compiled(func: Callable[..., Any], title: str) -> tuple[tuple[_Field, ...], str]:
    return _fields(title, _names(func))


def _names(func: Callable[..., Any]) -> frozenset[str] | None:
    """The parameters; None: it takes any."""
    try:
        parameters = _signature(func).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(one.name for one in parameters)


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    """Arguments by name, those of ``**kwargs`` too."""
    found = dict(bound.arguments)
    for one in bound.signature.parameters.values():
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            found |= found.pop(one.name, {})
    return found


def _fields(title: str, names: frozenset[str] | None) -> tuple[tuple[_Field, ...], str]:
    """The parts of a format, and the text after the last.

    Raises:
        ConfigurationError: it is none that can be used here.
    """
    fields, before = list[_Field](), ""
    try:
        parts = list(Formatter().parse(title))
    except ValueError as exc:
        raise ConfigurationError(f"title {quoted(title)} is no format: {exc}.") from exc
    for text, field, spec, conversion in parts:
        before += text
        if field is None:
            continue
        found = _FIELD.fullmatch(field)
        if found is None or conversion or "{" in (spec or "") or _WIDTH.search(spec or ""):
            raise ConfigurationError(
                f"title {quoted(title)}: write fields as {{parameter}}, {{parameter.attribute}} or "
                "{parameter[key]}, with a format of less than 100 characters if at all."
            )
        name = found["name"]
        if names is not None and name not in names:
            raise ConfigurationError(
                f"title {quoted(title)}: the function has no parameter {name!r}.{near(name, names)}"
            )
        steps = [(bool(a), a or key) for a, key in _STEP.findall(found["path"])]
        fields.append(_Field(before, name, tuple(steps), spec or ""))
        before = ""
    return tuple(fields), before
