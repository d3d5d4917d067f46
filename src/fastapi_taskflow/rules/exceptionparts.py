"""What Python itself keeps of an exception, whatever its class has put in front of it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = [
    "args_of",
    "attribute_of",
    "before",
    "cause_of",
    "context_of",
    "full_name_of",
    "members_of",
    "name_of",
    "notes_of",
    "str_method_of",
    "traceback_of",
]

_MOST_NOTES = 20

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def args_of(error: BaseException) -> tuple[Any, ...]:
    """What it was made with."""
    args: tuple[Any, ...] = _ARGS(error)
    return args


def attribute_of(error: BaseException, name: str) -> Any:
    """What stands under a name in it or its class; of a property that is the property."""
    spaces = [_VARS(error), *map(_CLASS_VARS, _MRO(type(error)))]
    return next((space[name] for space in spaces if name in space), None)


def before(error: BaseException) -> tuple[str, BaseException | None]:
    """The exception that stands above this one, and how they are joined."""
    cause = cause_of(error)
    return (_CONTEXT, context_of(error)) if cause is None else (_CAUSE, cause)


def cause_of(error: BaseException) -> BaseException | None:
    """What it was raised from."""
    found: BaseException | None = _CAUSE_OF(error)
    return found


def context_of(error: BaseException) -> BaseException | None:
    """What was being handled when it was raised, if that is to be told."""
    found: BaseException | None = None if _SUPPRESSED(error) else _CONTEXT_OF(error)
    return found


def traceback_of(error: BaseException) -> TracebackType | None:
    """Where it was raised."""
    found: TracebackType | None = _TRACEBACK(error)
    return found


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """What a group holds; nothing if it is none."""
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    members: tuple[BaseException, ...] = _EXCEPTIONS(error)
    return members


def notes_of(error: BaseException) -> list[str]:
    """The first notes, and how many more there are."""
    notes = _VARS(error).get("__notes__")
    if type(notes) is not list:
        return []
    told = [note for note in notes[:_MOST_NOTES] if isinstance(note, str)]
    more = len(notes) - _MOST_NOTES
    return [*told, f"... {more} notes left out ..."] if more > 0 else told


def str_method_of(error: BaseException) -> Any:
    """How its class writes it; None where the class does not say."""
    try:
        return type(error).__str__
    # The class of a class is a user's as well.
    except BaseException:
        return None


def name_of(error: BaseException) -> str:
    """Its class's name, which no metaclass can withhold."""
    name: str = _NAME(type(error))
    return name


def full_name_of(error: BaseException) -> str:
    """That name with its module, as tracebacks show it."""
    module, name = _MODULE(type(error)), _QUALNAME(type(error))
    plain = not isinstance(module, str) or module in ("builtins", "__main__")
    return name if plain else f"{module}.{name}"


def _getter(of: type, name: str) -> Callable[[Any], Any]:
    found = next(cls.__dict__[name] for cls in of.__mro__ if name in cls.__dict__)
    get: Callable[[Any], Any] = found.__get__
    return get


_ARGS = _getter(BaseException, "args")
_CAUSE_OF = _getter(BaseException, "__cause__")
_CONTEXT_OF = _getter(BaseException, "__context__")
_SUPPRESSED = _getter(BaseException, "__suppress_context__")
_TRACEBACK = _getter(BaseException, "__traceback__")
_VARS = _getter(BaseException, "__dict__")
_EXCEPTIONS = _getter(BaseExceptionGroup, "exceptions")
_NAME = _getter(type, "__name__")
_QUALNAME = _getter(type, "__qualname__")
_MODULE = _getter(type, "__module__")
_MRO = _getter(type, "__mro__")
_CLASS_VARS = _getter(type, "__dict__")
