"""Why a value cannot be stored, where in the call it stands, and what to pass instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "Callee",
    "Excess",
    "Refusal",
    "advice",
    "is_row",
    "label",
    "place",
    "title",
    "unreadable",
]

_LABEL_CHARACTERS = 40
_LABEL_BITS = 200
_PLAIN = frozenset[type]({int, float, bool, type(None)})

_ROW = "is a row of a database; pass its id, and let the task load it"
_SESSION = "belongs to one connection; let the task open its own"
_REQUEST = "ends with its request; pass the values that the task needs"

# By the name of the class or of a base, so that nothing is imported for it.
_BY_NAME = {
    "starlette.requests.HTTPConnection": _REQUEST,
    "starlette.websockets.WebSocket": _REQUEST,
    "starlette.datastructures.UploadFile": (
        "is closed with its request; store its content and pass the place"
    ),
    "starlette.background.BackgroundTask": (
        "belongs to a response; to add tasks in a task, use the TaskManager's enqueue"
    ),
    "sqlalchemy.orm.session.Session": _SESSION,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _SESSION,
    "sqlalchemy.orm.scoping.scoped_session": _SESSION,
    "sqlalchemy.engine.base.Connection": _SESSION,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _SESSION,
    "sqlalchemy.engine.row.Row": _ROW,
    "django.db.models.base.Model": _ROW,
    "peewee.Model": _ROW,
    "tortoise.models.Model": _ROW,
    "builtins.coroutine": "was not awaited; await it and pass what it gives",
    "builtins.function": "is a function; pass a name by which the task can find it",
    "builtins.builtin_function_or_method": (
        "is a function; pass a name by which the task can find it"
    ),
    "builtins.method": "is a method; pass a name by which the task can find it",
    "builtins.generator": "can be read once only; pass a list",
    "builtins.async_generator": "can be read once only; pass a list",
    "_io._IOBase": "is an open file; pass its path",
}


class Refusal(Exception):
    """A value cannot be stored. ``path`` leads to it, from the inside outwards."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []
        # The model around it was asked for its own JSON form, in vain.
        self.final = False


class Excess(Refusal):
    """There is too much of it, whatever it is."""

    def __init__(self, problem: str, *, of_bytes: bool = False) -> None:
        super().__init__(problem)
        self.final = True
        self.of_bytes = of_bytes


def unreadable(error: Exception) -> Refusal:
    """The refusal of a value that its own class, or what it holds, does not let one read."""
    why = str(error)
    return Refusal(
        why if isinstance(error, ValueError) else f"{type(error).__name__} while reading it: {why}"
    )


def label(key: object) -> str:
    """A key as a step of a path, cut and without running code of its own."""
    kind = type(key)
    if isinstance(key, str) and kind is str:
        return repr(key if len(key) <= _LABEL_CHARACTERS else f"{key[:_LABEL_CHARACTERS]}...")
    long = isinstance(key, int) and key.bit_length() > _LABEL_BITS
    return repr(key) if kind in _PLAIN and not long else f"<{kind.__name__}>"


def title(cls: type) -> str:
    """A class in words of a message."""
    return f"{cls.__module__}.{cls.__qualname__}"


def is_row(cls: type) -> bool:
    """SQLAlchemy has mapped the class, or one that it comes from; a SQLModel may be."""
    return any("__mapper__" in vars(base) for base in cls.__mro__)


def advice(cls: type) -> str | None:
    """Why an object of this class cannot be stored, and what can; None where nobody knows."""
    names = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    found = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    return _ROW if found is None and is_row(cls) else found


class Callee(NamedTuple):
    """The function that the arguments are for, by its task name."""

    name: str
    func: Callable[..., Any]


def place(callee: Callee | None, path: Sequence[str]) -> str:
    """A place such as ``order.items[3]``, or ``args[0].items[3]`` if nothing has a name.

    Args:
        path: ``args`` or ``kwargs``, and the steps from there inwards; the first one is
            written ``[0]`` or ``['order']``. Empty: nobody knows where.
    """
    if not path:
        return "the arguments"
    if callee is None or len(path) == 1:
        return "".join(path)
    root, first, *rest = path
    name = first[2:-2] if root == "kwargs" else _parameter(callee.func, first)
    known = name.partition("[")[0].isidentifier()
    return "".join([name, *rest] if known else path)


def _parameter(func: Callable[..., Any], step: str) -> str:
    """The parameter that takes this position, ``""`` if nobody can say."""
    position = int(step[1:-1])
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # made in C, or its own __signature__ is wrong
        return ""
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"{parameter.name}[{position - index}]"
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        if index == position:
            return parameter.name
    return ""
