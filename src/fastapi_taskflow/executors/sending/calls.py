"""A call on its way to a process, and what its function tells while it runs there."""

from __future__ import annotations

import pickle
from itertools import chain
from typing import Any

from fastapi_taskflow.executors.base import Call
from fastapi_taskflow.executors.sending import arguments, pickles
from fastapi_taskflow.executors.sending.carried import context_of, pack_context
from fastapi_taskflow.rules import importable
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import ConfigurationError, TaskArgumentError, TaskflowError
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.said import Said

__all__ = ["pack_call", "pack_light", "pack_said", "unpack_call", "unpack_said"]

_ADVICE = (
    "Give it plain values, or what it needs to find the object there; or use executor='thread'."
)


def pack_call(call: Call) -> bytes:
    """A call, with its function by name, and what of its context can be sent.

    Raises:
        TaskArgumentError: arguments that cannot be sent to a process.
        ConfigurationError: the function's name does not lead to it.
    """
    rest = _rest(call)
    try:
        return arguments.pack(call.args, dict(call.kwargs), rest)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except Exception as exc:
        raise TaskArgumentError(
            f"{call.func_name}: {_refused(call)} cannot be sent to a process: {_sentence(exc)} "
            f"{_ADVICE}{pickles.hint()}"
        ) from exc


def pack_light(call: Call) -> bytes:
    """As `pack_call`, for arguments of Python's own kinds, which have no code of their own.

    Raises:
        ConfigurationError: as there.
    """
    return pickle.dumps((call.args, dict(call.kwargs), *_rest(call)), pickle.HIGHEST_PROTOCOL)


def _rest(call: Call) -> tuple[Any, ...]:
    """What goes along with the arguments."""
    found = _sendable(call, importable.reference_of(call.func))
    carried = pack_context(call.context)
    name, _, _, _, _, task_id, attempt, tags, *others = call
    # In order, since names cost more than what they name; tags may be of any kind of mapping.
    return found, (name, None, (), {}, carried, task_id, attempt, dict(tags), *others)


def _refused(call: Call) -> str:
    """Which argument cannot be sent, as far as that shows when each is sent alone."""
    for name, value in chain(enumerate(call.args, 1), call.kwargs.items()):
        try:
            arguments.pack((value,), {}, ())
        # As in `pack_call`.
        except Exception:
            return f"argument {name} ({name_of(type(value))})"
    return "an argument"


def _sentence(exc: Exception) -> str:
    return f"{name_of(type(exc))}: {error_text(exc).rstrip('.')}."


def unpack_call(data: bytes) -> Call:
    """The call of `pack_call`; imports its function.

    Raises:
        TaskArgumentError: an argument was sent, and cannot be made here.
    """
    try:
        (args, kwargs), (found, fields) = arguments.unpack(data)
    # They say by themselves what to do.
    except (TaskflowError, MemoryError):
        raise
    # As in `pack_call`.
    except Exception as exc:
        raise TaskArgumentError(
            f"An argument arrived, and cannot be made in its process: {_sentence(exc)} {_ADVICE}"
        ) from exc
    if type(found) is bytes:
        found = pickle.loads(found)  # noqa: S301  (from whoever has it run)
    elif type(found) is tuple:
        found = importable.Reference(*found)
    call = Call(*fields)
    func = importable.resolved(found)
    # Afterwards: what the function's module has imported need not be looked for.
    carried: Any = call.context
    return call._replace(func=func, args=args, kwargs=kwargs, context=context_of(carried))


def _sendable(call: Call, found: Any) -> Any:
    if not importable.is_of_prompt(found):
        # The class of a pickled object is looked for by its name, which takes longer than the rest.
        return tuple(found) if type(found) is importable.Reference else found
    try:
        return pickles.by_value(found)
    # What the function mentions may be of any class.
    except Exception as exc:
        raise ConfigurationError(
            f"{call.func_name} cannot be sent to a child process as it is: {error_text(exc)}. "
            "Keep what it mentions to modules and plain values, or move it into a module."
        ) from exc


def pack_said(said: Said) -> bytes:
    """What a function tells while it runs."""
    return pickle.dumps(said, pickle.HIGHEST_PROTOCOL)


def unpack_said(data: bytes) -> Said:
    """What `pack_said` was given."""
    said: Said = pickle.loads(data)  # noqa: S301  (from where it runs)
    return said
