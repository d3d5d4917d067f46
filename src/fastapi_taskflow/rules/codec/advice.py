"""What to pass instead of objects that people often pass, and that belong to one place."""

from __future__ import annotations

__all__ = ["advice", "is_row"]

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


def is_row(cls: type) -> bool:
    """SQLAlchemy has mapped the class, or one that it comes from; a SQLModel may be."""
    return any("__mapper__" in vars(base) for base in cls.__mro__)


def advice(cls: type) -> str | None:
    """Why an object of this class cannot be stored, and what can; None where nobody knows."""
    names = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    found = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    return _ROW if found is None and is_row(cls) else found
