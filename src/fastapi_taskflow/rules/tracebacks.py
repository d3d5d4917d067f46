"""Exceptions as text, within bounds and without trust.

An exception is a foreign object: its class may write it slowly, raise while it does, or hold
a hundred megabytes, and it may hang on a thousand others. What Python itself keeps of an
exception is read through Python's own descriptors; code of the user's runs in one place,
`_said`, and `is_quick` of `quickness` says beforehand that none will.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType

from fastapi_taskflow.rules.exceptionparts import (
    args_of,
    cause_of,
    context_of,
    full_name_of,
    members_of,
    notes_of,
    str_method_of,
    traceback_of,
)
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.texts import (
    ERROR_LIMIT_BYTES,
    TRACE_LIMIT_BYTES,
    Masking,
    as_text,
    clip,
    exact,
    fit,
    written,
)

__all__ = ["error_text", "format_exception", "text_and_trace"]

_PACKAGE = __name__.partition(".")[0]

# Of one exception with what caused it and what is in it.
_MOST_ERRORS = 30
# Of a traceback's frames the first and the last ones; recursion makes a thousand.
_FIRST_FRAMES, _LAST_FRAMES = 20, 180
_FRAME_LIMIT_BYTES = 2_048

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def error_text(error: BaseException, mask: Masking | None = None) -> str:
    """The string form of an exception, or its type's name when that is empty. Never fails.

    Args:
        mask: Takes secrets out of it.
    """
    return _Formatting(mask).text(error)


def format_exception(error: BaseException, mask: Masking | None = None) -> str:
    """The traceback as text, from the user's first frame on. Never fails.

    Args:
        mask: Takes secrets out of it.
    """
    return _Formatting(mask).trace(error)


def text_and_trace(
    error: BaseException, named: BaseException, mask: Masking | None = None
) -> tuple[str, str]:
    """`error_text` of the one ``named``, and `format_exception`; each is written once."""
    formatting = _Formatting(mask)
    return formatting.text(named), formatting.trace(error)


class _Formatting:
    """One exception on its way to text. ``_left`` bounds the exceptions in it."""

    def __init__(self, mask: Masking | None) -> None:
        self._mask = mask
        self._left = _MOST_ERRORS
        self._seen: set[int] = set()
        # By identity; the exceptions live as long as the one that holds them.
        self._known: dict[int, str | None] = {}

    def text(self, error: BaseException) -> str:
        return (self._said(error) or "").strip() or name_of(type(error))

    def trace(self, error: BaseException) -> str:
        try:
            return clip("".join(self.chain(error)), TRACE_LIMIT_BYTES)
        # What an exception holds cannot spoil the report of it.
        except BaseException:
            return f"{name_of(type(error))}: {self.text(error)}\n"

    def _said(self, error: BaseException) -> str | None:
        """What it says of itself, made fit; None where that cannot be had."""
        if id(error) not in self._known:
            try:
                said = fit(_said(error), ERROR_LIMIT_BYTES, self._mask)
            # The exception's own code runs here; whatever it raises is not our failure.
            except BaseException:
                said = None
            self._known[id(error)] = said
        return self._known[id(error)]

    def chain(self, error: BaseException) -> list[str]:
        """The causes first, as Python does; the oldest of many are left out."""
        parts: list[str] = []
        size = 0
        one: BaseException | None = error
        while one is not None and id(one) not in self._seen:
            self._left -= 1
            self._seen.add(id(one))
            own = self._one(one)
            size += sum(map(len, own))
            parts = own + parts
            joint, one = _before(one)
            if one is not None and id(one) not in self._seen:
                parts.insert(0, joint)
                if size > TRACE_LIMIT_BYTES or self._left <= 0:
                    parts.insert(0, "... earlier exceptions left out ...\n")
                    break
        return parts

    def _one(self, error: BaseException) -> list[str]:
        parts = list(self._stack(_from_users_frame(traceback_of(error))))
        said = self._said(error)
        if said is None:
            said = "<its text cannot be had>"
        parts.append(f"{full_name_of(error)}: {said}\n" if said else f"{full_name_of(error)}\n")
        parts += [f"{fit(note, ERROR_LIMIT_BYTES, self._mask)}\n" for note in notes_of(error)]
        return parts + list(self._group(error))

    def _stack(self, trace: TracebackType | None) -> Iterator[str]:
        if trace is None:
            return
        yield "Traceback (most recent call last):\n"
        length = sum(1 for _ in traceback.walk_tb(trace))
        cut = length - _FIRST_FRAMES - _LAST_FRAMES
        if cut <= 0:
            yield from self._frames(trace, length)
        else:
            yield from self._frames(trace, _FIRST_FRAMES)
            yield f"  ... {cut} frames left out ...\n"
            yield from self._frames(trace, -_LAST_FRAMES)

    def _frames(self, trace: TracebackType, limit: int) -> Iterator[str]:
        # Of an exception that says nothing: Python's own form of the frames alone.
        formatted = traceback.TracebackException(Exception, Exception(), trace, limit=limit)
        for frame in formatted.stack.format():
            yield fit(frame, _FRAME_LIMIT_BYTES, self._mask)

    def _group(self, error: BaseException) -> Iterator[str]:
        members = members_of(error)
        for number, member in enumerate(members, 1):
            if self._left <= 0:
                yield f"  ... {len(members) - number + 1} of them left out ...\n"
                return
            yield f"  +---------------- {number} of {len(members)} ----------------\n"
            text = "".join(self.chain(member))
            yield "".join(f"  | {line}\n" for line in text.splitlines())


def _said(error: BaseException) -> str:
    """What the exception says of itself. Here the user's code runs.

    Raises:
        BaseException: what its ``__repr__`` raises, after its ``__str__`` failed.
    """
    try:
        return exact(_str(error))
    # The other form may do.
    except BaseException:
        return exact(_repr(error))


def _str(error: BaseException) -> str:
    says, args = str_method_of(error), args_of(error)
    if says is BaseException.__str__:
        if len(args) != 1:
            return written(args) if args else ""
        # As text it would be copied, perhaps a hundred megabytes of it.
        return args[0] if type(args[0]) is str else as_text(args[0])
    if says is KeyError.__str__ and len(args) == 1:
        return written(args[0])
    return str(error)


def _repr(error: BaseException) -> str:
    args = args_of(error)
    if type(error).__repr__ is not BaseException.__repr__:
        return repr(error)
    inside = written(args[0]) if len(args) == 1 else written(args)[1:-1]
    return f"{name_of(type(error))}({inside})"


def _before(error: BaseException) -> tuple[str, BaseException | None]:
    """The exception that stands above this one, and how they are joined."""
    cause = cause_of(error)
    return (_CONTEXT, context_of(error)) if cause is None else (_CAUSE, cause)


def _from_users_frame(trace: TracebackType | None) -> TracebackType | None:
    users = trace
    while users is not None and _is_ours(users):
        users = users.tb_next
    # All ours: a defect of the library, which the whole trace helps to find.
    return trace if users is None else users


def _is_ours(trace: TracebackType) -> bool:
    name = trace.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] == _PACKAGE
