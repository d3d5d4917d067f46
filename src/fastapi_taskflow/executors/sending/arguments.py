"""A call's arguments on their way to a child, which gets what a stored task would get.

Plain values go as a pickle: it gives the same as the typed codec and takes a fraction of the time.
Objects of classes that can be stored go by the codec, which knows them by their fields and makes
them by their constructors. What it refuses goes as a pickle: the arguments of a durable task come
from the codec, which takes them again, or are larger than is worth its time.
"""

from __future__ import annotations

import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi_taskflow.executors.sending import pickles
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.codec.scalars import DATES
from fastapi_taskflow.rules.codec.typetable import is_storable
from fastapi_taskflow.rules.importable import is_of_prompt

__all__ = ["Arguments", "pack", "unpack"]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

# Their pickle is as good as the codec; to look closely at each takes longer than to send it.
_SAME = frozenset[type]({date, datetime, time, timedelta, timezone, Decimal, UUID, type})
_TEXTS = frozenset({str, bytes})
_SHORT = 65_536
# Characters that are pickled in a few milliseconds.
_PIECE = 1_048_576
# The codec's own limit: it takes long over what is larger.
_MOST_BYTES = 262_144


def pack(args: tuple[Any, ...], kwargs: dict[str, Any], rest: tuple[Any, ...]) -> bytes:
    """Arguments, and what else is sent with them.

    Raises:
        Exception: they cannot be sent.
    """
    plain = (args, kwargs, *rest)
    if codec.is_fixed(args, kwargs) and _are_short(*args, *kwargs.values()):
        return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)
    pieces = _Pieces()
    try:
        named = {name: _cut(value) for name, value in kwargs.items()}
        _Plain(pieces, pickle.HIGHEST_PROTOCOL).dump((tuple(map(_cut, args)), named, *rest))
        return b"".join(pieces.written)
    except _Typed:
        payload, classes = _encoded(args, kwargs)
        if payload is not None:
            plain = (payload, classes, *rest)
    # What is refused here is tried again in another way.
    except Exception:
        pieces.written.clear()
    return pickles.dumps(plain)


def unpack(data: bytes) -> tuple[Arguments, tuple[Any, ...]]:
    """What `pack` was given."""
    args, kwargs, *rest = pickle.loads(data)  # noqa: S301  (from whoever has it run)
    if type(args) is bytes:
        args, kwargs = codec.decode(args, _Sent(kwargs))
    return (args, kwargs), tuple(rest)


def _are_short(*values: Any) -> bool:
    return all(len(value) < _SHORT for value in values if type(value) in _TEXTS)


class _Cut:
    """A long text in pieces: a pickle of it as a whole would hold the event loop."""

    def __init__(self, text: str) -> None:
        pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
        self._pieces = [piece.encode("utf-8", "surrogatepass") for piece in pieces]

    def __reduce__(self) -> tuple[Any, ...]:
        return _joined, (self._pieces,)


def _joined(pieces: list[bytes]) -> str:
    return "".join([piece.decode("utf-8", "surrogatepass") for piece in pieces])


def _cut(value: Any) -> Any:
    return _Cut(value) if type(value) is str and len(value) > _PIECE else value


class _Pieces:
    """What a pickler writes, 64 KiB at a time, and a long value as it is.

    A method of Python's own: between two pieces other threads run, the event loop among them.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


class _Typed(Exception):
    """There is something for the codec."""


class _Plain(pickle.Pickler):
    """Stops at what a pickle may take apart and put together in another way than the codec."""

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind in _SAME:
            return NotImplemented
        if is_storable(kind) or issubclass(kind, DATES):
            raise _Typed
        if is_of_prompt(value):
            raise pickle.PicklingError("by value")
        return NotImplemented


def _encoded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes | None, dict[str, type]]:
    """None in place of bytes: the codec refuses them."""
    types = _Sent({})
    try:
        payload = codec.encode(args, kwargs, types, max_bytes=_MOST_BYTES, sealed=True)
    # `TaskArgumentError`, or whatever a class of the user's raises.
    except Exception:
        return None, {}
    return payload, types.classes


class _Sent:
    """Classes by numbers; they go along, so that they need not be registered in the child."""

    def __init__(self, classes: dict[str, type]) -> None:
        self.classes = classes
        self._names = {cls: name for name, cls in classes.items()}

    def name_of(self, cls: type) -> str | None:
        name = self._names.setdefault(cls, str(len(self._names)))
        self.classes[name] = cls
        return name

    def find(self, name: str) -> type | None:
        return self.classes.get(name)

    def has_twin(self, cls: type) -> bool:
        return False
