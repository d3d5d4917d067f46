"""Records as JSON, by the types of their fields: times are microseconds, words their names."""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["Documents", "dumped", "loaded"]

T = TypeVar("T")

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


def dumped(value: object) -> str:
    """Plain values as text of ASCII."""
    return _encode(value)


def loaded(raw: bytes | None) -> Any:
    """What such a text says; None for what is none, because somebody damaged it."""
    try:
        # They are of ASCII: nothing has to be found out.
        return None if raw is None else _decode(raw.decode())
    except (ValueError, RecursionError):
        return None


def _micros(moment: datetime) -> int:
    return to_micros(moment.astimezone(UTC))


def _from_base64(text: str) -> bytes:
    return b64decode(text, validate=True)


def _ways(kind: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]] | None:
    """How a value of a type is written and read; None: it is plain."""
    if kind is datetime:
        return _micros, from_micros
    if kind is bytes:
        return lambda value: b64encode(value).decode(), _from_base64
    if isinstance(kind, type) and issubclass(kind, Enum):
        return lambda value: value.name, kind.__members__.__getitem__
    plain = get_origin(kind) or kind
    if plain in (frozenset, tuple):
        return list, plain
    if isinstance(plain, type) and issubclass(plain, Mapping):
        return dict, dict
    return None


def _empty(kind: type) -> dict[str, Any]:
    """By field its default, of those whose default is empty."""
    found: dict[str, Any] = dict(getattr(kind, "_field_defaults", {}))
    for one in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        make = one.default_factory
        found[one.name] = one.default if make is dataclasses.MISSING else make()
    return {name: default for name, default in found.items() if not default}


class Documents(Generic[T]):
    """Records of a kind: a dataclass or a named tuple.

    Args:
        kind: Its fields that are None, or empty as they are by default, are left out.
        without: Names of fields that are kept apart.
        only: Names of the fields that are not.
    """

    def __init__(self, kind: type[T], *without: str, only: Collection[str] | None = None) -> None:
        self._kind = kind
        every = get_type_hints(kind)
        names = every.keys() - without if only is None else only
        hints = {name: each for name, each in every.items() if name in names}
        kinds = {
            name: next(one for one in get_args(each) if one is not NoneType)
            if isinstance(each, UnionType)
            else each
            for name, each in hints.items()
        }
        found = {name: _ways(each) or (None, None) for name, each in kinds.items()}
        # In one go: records are written all the time.
        self._get, empty = attrgetter(*found), _empty(kind)
        self._writes = [(name, write, empty.get(name)) for name, (write, _) in found.items()]
        self._reads = {name: read for name, (_, read) in found.items()}
        self._needed = tuple(name for name in hints if name not in empty)

    def text(self, record: T) -> str:
        """The document."""
        return _encode(
            {
                name: value if write is None else write(value)
                for (name, write, empty), value in zip(self._writes, self._get(record), strict=True)
                if value is not None and value != empty
            }
        )

    def values(self, raw: bytes | None) -> dict[str, Any]:
        """The fields of a document; one that cannot be read is as it was found."""
        found = loaded(raw)
        if not isinstance(found, dict):
            return {}
        values = {}
        for name in found.keys() & self._reads.keys():
            value, read = found[name], self._reads[name]
            try:
                values[name] = value if read is None else read(value)
            except (ValueError, TypeError, KeyError, OverflowError):
                values[name] = value
        return values

    def read(self, raw: bytes | None) -> T | None:
        """The record; None where there is none, or somebody damaged it."""
        values = dict.fromkeys(self._needed) | self.values(raw)
        try:
            return None if raw is None else self._kind(**values)
        except (ValueError, TypeError):
            return None
