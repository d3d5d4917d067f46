"""How a function ended, on its way from a child.

Its work is done, whatever becomes of its value: one that cannot be sent, or not be made again, is
told in the log. An error comes as one of its own class, so that it is retried as anywhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

from fastapi_taskflow.executors.base import OnEnd, Told
from fastapi_taskflow.executors.sending import pickles
from fastapi_taskflow.rules.ends import Raised, Returned, failure
from fastapi_taskflow.rules.exceptionparts import args_of
from fastapi_taskflow.words.plain import is_a, name_of
from fastapi_taskflow.words.said import Line, Say

__all__ = [
    "RAISED",
    "RETURNED",
    "UNPACK",
    "Unmade",
    "is_plain",
    "pack",
    "reporting",
]

# An error's own values; its texts are sent beside it.
_MOST_BYTES = 1_048_576


# Kinds of ends that are sent.
RETURNED, RAISED = range(2)


class Unmade(NamedTuple):
    """In place of a value that did not arrive."""

    line: Line


def pack(told: Told) -> tuple[int, bytes]:
    """How a function ended: the kind of its end, which `UNPACK` knows, and what is in it."""
    if isinstance(told, Raised):
        return RAISED, _pack_error(told if told.text is not None else failure(told.error))
    return RETURNED, _pack_value(told.value if isinstance(told, Returned) else None)


def _pack_value(value: Any) -> bytes:
    """`Unmade` in place of what cannot be sent."""
    try:
        return pickles.dumps(value)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except BaseException as exc:
        text = f"What it returned ({name_of(type(value))}) cannot leave its process"
        return pickle.dumps(Unmade(_line(text, exc)))


def is_plain(data: bytes) -> bool:
    """No class has to be found for what was pickled; to import its module may take long."""
    return pickle.STACK_GLOBAL not in data


def _unpack_value(data: bytes) -> Returned:
    """`Unmade` in place of what cannot be made here."""
    try:
        return Returned(pickle.loads(data))  # noqa: S301  (from where it ran)
    # As above; or its class is known in the child only.
    except BaseException as exc:
        return Returned(
            Unmade(_line("What it returned cannot be made in the server's process", exc))
        )


def _line(text: str, exc: BaseException) -> Line:
    return Line(f"{text}: {name_of(type(exc))}", "warning", {})


def reporting(ended: OnEnd, say: Say) -> OnEnd:
    """Takes an end for ``ended``; what did not arrive is said before."""

    def end(told: Told) -> None:
        if type(told) is Returned and type(told.value) is Unmade:
            say(told.value.line)
            told = Returned(lost=told.value.line.message)
        ended(told)

    return end


def _pack_error(told: Raised) -> bytes:
    """An exception with its texts; itself as far as it can be sent, else its class."""
    error = told.error
    forms: tuple[tuple[Callable[[Any], bytes], Any], ...] = (
        (_dumped, error),
        (pickles.dumps, error),
        (pickles.dumps, _Bare(type(error))),
    )
    for dump, sent in forms:
        # As in `_pack_value`.
        with suppress(BaseException):
            data = dump(sent)
            if len(data) <= _MOST_BYTES and is_a(pickle.loads(data), BaseException):  # noqa: S301
                return pickle.dumps((data, told.text, told.stacktrace, told.site))
    return pickle.dumps((None, told.text, told.stacktrace, told.site))


def _unpack_error(data: bytes) -> Raised:
    """An exception of another class in place of what cannot be made here."""
    sent, text, trace, site = pickle.loads(data)  # noqa: S301  (from where it ran)
    error: Any = None
    if sent is not None:
        with suppress(BaseException):  # as in `_unpack_value`
            error = pickle.loads(sent)  # noqa: S301
    error = error if is_a(error, BaseException) else RuntimeError(text)
    return Raised(error, trace, text, site=site)


def _dumped(error: BaseException) -> bytes:
    buffer = BytesIO()
    _Errors(buffer, pickle.HIGHEST_PROTOCOL).dump(error)
    return buffer.getvalue()


class _Errors(pickle.Pickler):
    """Takes exceptions apart that do not come back from their pickle by themselves.

    Many classes cannot be made again from their `args`; groups hold such exceptions.
    """

    def reducer_override(self, value: Any) -> Any:
        if not is_a(value, BaseException) or is_a(value, BaseExceptionGroup) or _comes_back(value):
            return NotImplemented
        args, state = args_of(value), dict(value.__dict__)
        try:
            pickle.dumps((args, state))
        except Exception:  # as in `_pack_value`
            args, state = (), {}
        return _remade, (type(value), args, state)


def _comes_back(error: BaseException) -> bool:
    with suppress(BaseException):  # as in `_pack_value`
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  (just written)
        return type(again) is type(error) and args_of(again) == args_of(error)
    return False


class _Bare:
    """An exception of which only the class is sent."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.kind, (), {})


def _remade(
    kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]
) -> BaseException:
    """An exception without a call of its class."""
    error = BaseException.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


UNPACK: dict[int, Callable[[bytes], Told]] = {RETURNED: _unpack_value, RAISED: _unpack_error}
"""Makes of what `pack` gave, by its kind, the end again."""
