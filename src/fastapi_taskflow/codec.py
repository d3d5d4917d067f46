"""Arguments to typed JSON and back.

Plain JSON values stand for themselves. Everything else is an object with the key ``$``
that names its kind; a user's own dict with such a key is written as a list of pairs.
Reading never imports, evaluates or unpickles: classes come from the `TypeTable` only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from enum import Enum, Flag
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

from fastapi_taskflow.errors import PayloadUnreadable, TaskArgumentError
from fastapi_taskflow.scalars import SCALAR_READERS, SCALAR_WRITERS, needs_care
from fastapi_taskflow.shapes import (
    ModelState,
    build_dataclass,
    build_model,
    take_dataclass,
    take_model,
)
from fastapi_taskflow.typetable import TypeTable, is_storable

__all__ = ["MAX_DEPTH", "decode", "encode", "fingerprint"]

MAX_DEPTH = 64
"""Containers within containers. A level takes at most two of the JSON reader's 200."""

_VERSION = 1

_HOPEFUL = frozenset({str, int, float, bool, type(None)})
_CAREFUL = frozenset({bool, type(None)})
_STR = {str}


class _Refused(Exception):
    """A value cannot be stored. ``path`` is built from the inside outwards."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []


class _Writer:
    """One walk over the arguments.

    ``atoms`` are the types that are taken as they are. The first walk hopes that every
    str, int and float has a JSON form, which is nearly always so.
    """

    __slots__ = ("atoms", "types")

    def __init__(self, types: TypeTable, atoms: frozenset[type]) -> None:
        self.types = types
        self.atoms = atoms

    def value(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _Refused(f"found values nested more than {MAX_DEPTH} deep; pass flatter ones")
        write = _WRITERS.get(type(value))
        if write is not None:
            return write(self, value, depth)
        return _write_object(self, value, depth)

    def items(self, values: Iterable[Any], depth: int) -> list[Any]:
        atoms = self.atoms
        out: list[Any] = []
        try:
            for value in values:
                out.append(value if type(value) in atoms else self.value(value, depth + 1))  # noqa: PERF401
        except _Refused as refused:
            refused.path.append(f"[{len(out)}]")
            raise
        return out

    def named(self, values: Mapping[str, Any], depth: int, form: str = "[{!r}]") -> dict[str, Any]:
        atoms = self.atoms
        out: dict[str, Any] = {}
        key = ""
        try:
            for key, value in values.items():
                out[key] = value if type(value) in atoms else self.value(value, depth + 1)
        except _Refused as refused:
            refused.path.append(form.format(key))
            raise
        return out


def _write_dict(writer: _Writer, value: dict[Any, Any], depth: int) -> Any:
    if _STR.issuperset(map(type, value)) and "$" not in value:
        if str in writer.atoms or not any(map(needs_care, value)):
            return writer.named(value, depth)
    flat: list[Any] = []
    for key, item in value.items():
        try:
            flat.append(writer.value(key, depth + 1))
        except _Refused as refused:
            refused.path.append(" key")
            raise
        try:
            flat.append(writer.value(item, depth + 1))
        except _Refused as refused:
            refused.path.append(f"[{_label(key)}]")
            raise
    return {"$": "dict", "v": flat}


def _label(key: object) -> str:
    return repr(key) if type(key) in _HOPEFUL else f"<{type(key).__name__}>"


def _write_list(writer: _Writer, value: list[Any], depth: int) -> Any:
    return writer.items(value, depth)


def _write_tuple(writer: _Writer, value: tuple[Any, ...], depth: int) -> Any:
    return {"$": "tuple", "v": writer.items(value, depth)}


def _write_set(writer: _Writer, value: set[Any] | frozenset[Any], depth: int) -> Any:
    # Careful inside, because sorting needs the finished JSON.
    careful = _Writer(writer.types, _CAREFUL)
    return {"$": type(value).__name__, "v": sorted(careful.items(value, depth), key=to_json)}


def _write_object(writer: _Writer, value: Any, depth: int) -> Any:
    cls = type(value)
    if not is_storable(cls):
        raise _Refused(_unstorable(cls))
    name = writer.types.name_of(cls)
    if name is None:
        raise _Refused(
            f"found {_title(cls)}, which no registered task mentions; annotate the task's "
            f"parameter with it, or call register_type({cls.__qualname__}), so that it can be "
            "read back after a restart"
        )
    if isinstance(value, Enum):
        # A combination of flags has no name of its own.
        return {"$": "enum", "c": name, "v": value.value if isinstance(value, Flag) else value.name}
    try:
        if isinstance(value, BaseModel):
            return _write_model(writer, value, name, depth)
        taken = take_dataclass(value)
    except _Refused:
        raise
    except Exception as exc:
        raise _Refused(f"found {_title(cls)}, which cannot be built from its own values: {exc}") from exc
    return {"$": "dataclass", "c": name, "v": writer.named(taken, depth, ".{}")}


def _write_model(writer: _Writer, value: BaseModel, name: str, depth: int) -> Any:
    state = take_model(value)
    tree: dict[str, Any] = {
        "$": "model",
        "c": name,
        "v": writer.named(state.fields, depth, ".{}"),
        "s": state.fields_set,
    }
    if state.extra:
        tree["x"] = writer.value(state.extra, depth + 1)
    if state.private:
        tree["p"] = writer.named(state.private, depth, ".{}")
    return tree


def _title(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _unstorable(cls: type) -> str:
    base = next((b for b in cls.__mro__ if b in _WRITERS or b in _HOPEFUL), None)
    if base is not None:
        return f"found {_title(cls)}, a subclass of {base.__name__}; pass a plain {base.__name__}"
    return (
        f"found {_title(cls)}, which cannot be stored; pass plain values, a dataclass or a "
        "pydantic model, or an id by which the task can find it"
    )


_WRITERS: dict[type, Callable[[_Writer, Any, int], Any]] = {
    dict: _write_dict,
    list: _write_list,
    tuple: _write_tuple,
    set: _write_set,
    frozenset: _write_set,
}


def _scalar_writer(write: Callable[[Any], Any]) -> Callable[[_Writer, Any, int], Any]:
    def written(_writer: _Writer, value: Any, _depth: int) -> Any:
        try:
            return write(value)
        except ValueError as exc:
            raise _Refused(str(exc)) from exc

    return written


_WRITERS.update({cls: _scalar_writer(write) for cls, write in SCALAR_WRITERS.items()})


def encode(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    types: TypeTable,
    *,
    max_bytes: int = 262_144,
) -> bytes:
    """Arguments as bytes that `decode` gives back equal and of the same types.

    Args:
        max_bytes: The most that the result may take.

    Raises:
        TaskArgumentError: a value cannot be stored; the message names the argument and
            the place within it. Or the whole is too large.
    """
    try:
        payload = to_json([_VERSION, *_trees(args, kwargs, _Writer(types, _HOPEFUL))])
    except PydanticSerializationError:
        payload = b"NaN"
    # Larger than the longest integer that the JSON reader takes, or perhaps not JSON.
    if len(payload) > 4000 or b"NaN" in payload or b"Infinity" in payload:
        payload = to_json([_VERSION, *_trees(args, kwargs, _Writer(types, _CAREFUL))])
    if len(payload) > max_bytes:
        raise TaskArgumentError(
            f"Arguments take {len(payload)} bytes when stored, and the limit is {max_bytes}. "
            "Store large data elsewhere and pass its key, or raise max_payload_bytes."
        )
    return payload


def _trees(args: tuple[Any, ...], kwargs: Mapping[str, Any], writer: _Writer) -> tuple[Any, Any]:
    try:
        return writer.items(args, 0), _write_dict(writer, dict(kwargs), 0)
    except _Refused as refused:
        raise TaskArgumentError(f"Cannot store an argument: {''.join(reversed(refused.path))}: {refused.problem}.") from refused


def decode(payload: bytes, types: TypeTable) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that `encode` stored.

    Raises:
        PayloadUnreadable: anything else than what `encode` gives with these types.
    """
    try:
        version, args, kwargs = from_json(payload, allow_inf_nan=False)
        if version != _VERSION:
            raise ValueError(f"format {version!r} is unknown")
        if b'"$"' in payload:
            reader = _Reader(types)
            args, kwargs = [reader.value(arg) for arg in args], reader.value(kwargs)
        if type(args) is not list or type(kwargs) is not dict or not _STR.issuperset(map(type, kwargs)):
            raise ValueError("not a list and a dict")
    # Damaged bytes and constructors of users' classes may raise anything.
    except Exception as exc:
        raise PayloadUnreadable(f"Stored arguments cannot be read: {exc}") from exc
    return tuple(args), kwargs


class _Reader:
    __slots__ = ("types",)

    def __init__(self, types: TypeTable) -> None:
        self.types = types

    def value(self, node: Any) -> Any:
        if type(node) is list:
            return [self.value(item) for item in node]
        if type(node) is not dict:
            return node
        kind = node.get("$")
        if kind is None:
            return {key: self.value(item) for key, item in node.items()}
        scalar = SCALAR_READERS.get(kind)
        if scalar is not None:
            return scalar(node)
        return _READERS[kind](self, node)

    def named(self, node: Any) -> dict[str, Any]:
        return {key: self.value(item) for key, item in node.items()}

    def known(self, name: Any) -> Any:
        cls = self.types.find(name)
        if cls is None:
            raise ValueError(f"class {name!r} is not registered here")
        return cls


def _read_dict(reader: _Reader, node: Any) -> Any:
    flat = iter([reader.value(item) for item in node["v"]])
    return dict(zip(flat, flat, strict=True))


def _read_enum(reader: _Reader, node: Any) -> Any:
    cls = reader.known(node["c"])
    return cls(node["v"]) if issubclass(cls, Flag) else cls[node["v"]]


def _read_dataclass(reader: _Reader, node: Any) -> Any:
    return build_dataclass(reader.known(node["c"]), reader.named(node["v"]))


def _read_model(reader: _Reader, node: Any) -> Any:
    state = ModelState(
        fields=reader.named(node["v"]),
        fields_set=node["s"],
        extra=reader.value(node["x"]) if "x" in node else None,
        private=reader.named(node["p"]) if "p" in node else None,
    )
    return build_model(reader.known(node["c"]), state)


_READERS: dict[str, Callable[[_Reader, Any], Any]] = {
    "dict": _read_dict,
    "tuple": lambda reader, node: tuple(reader.value(item) for item in node["v"]),
    "set": lambda reader, node: {reader.value(item) for item in node["v"]},
    "frozenset": lambda reader, node: frozenset(reader.value(item) for item in node["v"]),
    "enum": _read_enum,
    "dataclass": _read_dataclass,
    "model": _read_model,
}


def fingerprint(func_name: str, payload: bytes) -> bytes:
    """32 bytes that are equal for equal calls, also when dicts were filled in another order."""
    normal = json.dumps(json.loads(payload, object_hook=_in_order), sort_keys=True)
    return hashlib.sha256(f"{func_name}\0{normal}".encode()).digest()


def _in_order(node: dict[str, Any]) -> Any:
    kind = node.get("$")
    if kind == "dict":
        flat = iter(node["v"])
        node["v"] = sorted(zip(flat, flat, strict=True), key=lambda pair: json.dumps(pair[0], sort_keys=True))
    elif kind in ("set", "frozenset"):
        node["v"] = sorted(node["v"], key=lambda item: json.dumps(item, sort_keys=True))
    return node
