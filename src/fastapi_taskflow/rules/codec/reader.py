"""Typed JSON to arguments. The payload is hostile until it has been read."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, Flag
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from fastapi_taskflow.rules.codec.encoder import VERSION
from fastapi_taskflow.rules.codec.objects import (
    ModelState,
    build_dataclass,
    build_model,
    build_model_from_json,
    build_named_tuple,
)
from fastapi_taskflow.rules.codec.scalars import SCALAR_READERS, Foreign, Node
from fastapi_taskflow.rules.codec.typetable import Types, is_named_tuple, moved
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import PayloadUnreadable
from fastapi_taskflow.words.plain import name_of
from fastapi_taskflow.words.texts import clean

__all__ = ["decode", "fingerprint"]

_STR = frozenset({str})
_MARK = b'"$"'


def decode(payload: bytes, types: Types) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that `encode` stored.

    Raises:
        PayloadUnreadable: anything else than what `encode` gives with these types.
    """
    try:
        return _decode(payload, types)
    # Damaged bytes and the constructors of users' classes may raise anything, also what
    # would end the process. The depth that the JSON reader allows keeps far from the
    # interpreter's limit.
    except BaseException as exc:
        # The reason may be a class's own words about a stored value.
        reason = clean(_reason(exc))
        raise PayloadUnreadable(
            f"Stored arguments cannot be read: {reason}.",
            damaged=isinstance(exc, Exception)
            and not isinstance(exc, Foreign | RecursionError | MemoryError),
        ) from exc


def _decode(payload: bytes, types: Types) -> tuple[tuple[Any, ...], dict[str, Any]]:
    parts = from_json(payload, allow_inf_nan=False)
    if type(parts) is list and parts and type(parts[0]) is int and parts[0] > VERSION:
        raise Foreign("they are in the format of a newer version of fastapi-taskflow")
    version, args, kwargs = parts
    if version != VERSION or type(parts) is not list:
        raise ValueError("they are not in a format that this version knows")
    # Nothing but plain values? What looks like the mark may be a user's text.
    if _MARK in payload:
        reader = _Reader(types)
        args, kwargs = reader.value(args), reader.value(kwargs)
    if type(args) is not list or type(kwargs) is not dict or not _STR.issuperset(map(type, kwargs)):
        raise ValueError("they are not positional and keyword arguments")
    return tuple(args), kwargs


def _reason(exc: BaseException) -> str:
    if isinstance(exc, Foreign) and exc.__cause__ is not None:
        return _reason(exc.__cause__)
    if isinstance(exc, ValidationError):
        # Without the values, which may be secret.
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{exc.title} refuses them: {place}: {first['msg']}"
    known = type(exc) in (ValueError, Foreign)
    return error_text(exc) if known else f"{name_of(type(exc))}: {error_text(exc)}"


class _Reader:
    """Turns nodes of JSON into values."""

    __slots__ = ("_types",)

    def __init__(self, types: Types) -> None:
        self._types = types

    def value(self, node: Any) -> Any:
        if type(node) is list:
            return [self.value(item) for item in node]
        if type(node) is not dict:
            return node
        if "$" not in node:
            return self.named(node)
        kind = node["$"]
        scalar = SCALAR_READERS.get(kind)
        if scalar is not None:
            return scalar(node)
        read = _READERS.get(kind)
        if read is None:
            raise (Foreign if type(kind) is str else ValueError)(f"the kind {kind!r} is unknown")
        return read(self, node)

    def items(self, node: Node) -> list[Any]:
        items = node["v"]
        if type(items) is not list:
            raise TypeError("expected a list")
        return [self.value(item) for item in items]

    def named(self, node: Any) -> dict[str, Any]:
        if type(node) is not dict:
            raise TypeError("expected an object")
        return {key: self.value(item) for key, item in node.items()}

    def known(self, node: Node, base: type = object) -> Any:
        name = node["c"]
        cls = self._types.find(name) or moved(self._types, name)
        if cls is None:
            raise Foreign(
                f"the class {name!r} is not registered here; annotate a task's parameter with "
                "it, or call register_type; if it moved, import it at its old place, too"
            )
        if not issubclass(cls, base):
            raise Foreign(f"{name!r} is of another kind now")
        return cls


def _read_dict(reader: _Reader, node: Node) -> Any:
    flat = iter(reader.items(node))
    return dict(zip(flat, flat, strict=True))


def _read_enum(reader: _Reader, node: Node) -> Any:
    cls, value = reader.known(node, Enum), node["v"]
    with _made_by(cls):
        return cls(value) if issubclass(cls, Flag) else cls[value]


def _read_dataclass(reader: _Reader, node: Node) -> Any:
    cls, values = reader.known(node), reader.named(node["v"])
    with _made_by(cls):
        return build_dataclass(cls, values)


def _read_named_tuple(reader: _Reader, node: Node) -> Any:
    cls, values = reader.known(node, tuple), reader.named(node["v"])
    with _made_by(cls):
        if not is_named_tuple(cls):
            raise ValueError(f"{cls.__qualname__} is no NamedTuple")
        return build_named_tuple(cls, values)


def _read_deque(reader: _Reader, node: Node) -> Any:
    items, longest = reader.items(node), node.get("m")
    if longest is not None and len(items) > longest:
        raise ValueError("a deque has more items than it may")
    return deque(items, longest)


def _read_model(reader: _Reader, node: Node) -> Any:
    cls = reader.known(node, BaseModel)
    fields_set = sorted(set(node["s"]))
    if "j" in node:
        data = reader.value(node["j"])
        with _made_by(cls):
            return build_model_from_json(cls, data, set(fields_set))
    state = ModelState(
        fields=reader.named(node["v"]),
        fields_set=fields_set,
        extra=reader.value(node["x"]) if "x" in node else None,
        private=reader.named(node["p"]) if "p" in node else None,
    )
    with _made_by(cls):
        return build_model(cls, state, as_is="r" in node)


@contextmanager
def _made_by(cls: type) -> Iterator[None]:
    """What a class of the app's refuses, another version of it may take."""
    try:
        yield
    # Also SystemExit and the like, which must not end who reads.
    except BaseException as exc:
        raise Foreign(f"{cls.__qualname__} cannot be made of its stored values") from exc


_READERS: dict[str, Callable[[_Reader, Node], Any]] = {
    "dict": _read_dict,
    "tuple": lambda reader, node: tuple(reader.items(node)),
    "set": lambda reader, node: set(reader.items(node)),
    "frozenset": lambda reader, node: frozenset(reader.items(node)),
    "deque": _read_deque,
    "namedtuple": _read_named_tuple,
    "enum": _read_enum,
    "dataclass": _read_dataclass,
    "model": _read_model,
}


def fingerprint(func_name: str, payload: bytes) -> bytes:
    """32 bytes, equal for equal calls: the order in which dicts were filled does not matter.

    Types matter as they do in the payload: 1 and 1.0 differ. A payload that is no JSON
    counts by its bytes.
    """
    try:
        normal = _in_order(json.loads(payload, object_hook=_sorted_inside))
    except (ValueError, RecursionError):
        normal = payload.hex()
    return hashlib.sha256(f"{func_name}\0{normal}".encode()).digest()


def _in_order(node: Any) -> str:
    return json.dumps(node, sort_keys=True)


def _sorted_inside(node: dict[str, Any]) -> dict[str, Any]:
    """Order what JSON's own sorting of keys does not: dicts as pairs, and sets of them."""
    kind = node.get("$")
    if kind == "dict":
        flat = iter(node["v"])
        node["v"] = sorted(zip(flat, flat, strict=True), key=_in_order)
    elif kind in ("set", "frozenset"):
        node["v"] = sorted(node["v"], key=_in_order)
    return node
