"""Values to nodes of typed JSON: the walk that `encoder` makes over the arguments.

The walk is bounded: by the bytes that its JSON may take, counted before it is made, and by a
number of containers, because a few lists that hold each other many times are many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from math import isfinite
from typing import Any

from pydantic_core import to_json

from fastapi_taskflow.rules.codec.instances import write_instance
from fastapi_taskflow.rules.codec.refusals import Excess, Refusal, label, unreadable
from fastapi_taskflow.rules.codec.scalars import (
    CAREFUL,
    PLAIN_INT_BITS,
    SCALAR_WRITERS,
    SECRET_WRITERS,
    has_surrogates,
    least_size,
)
from fastapi_taskflow.rules.codec.typetable import Types

__all__ = ["MAX_DEPTH", "Writer", "write_dict"]

MAX_DEPTH = 64
"""Containers within containers, the arguments themselves counted. Each takes at most two
of the 200 levels that the JSON reader allows."""

# There may be a container for so many bytes that the JSON may take: with 256 KiB some 20,000,
# which take the event loop up to 25 ms.
_BYTES_A_NODE = 12
_LEAST_NODES = 1_000
# What the tag of a value takes at least, beside the value.
_TAG_CHARACTERS = 16


class Writer:
    """One walk over the arguments.

    Args:
        types: The classes that may be stored.
        atoms: The types that are taken as they are.
        room: The most bytes that the JSON may take.
        sealed: It will be encrypted, so it may hold secrets.
    """

    __slots__ = ("_limit", "atoms", "nodes", "room", "sealed", "types")

    def __init__(
        self, types: Types, atoms: frozenset[type], room: int, *, sealed: bool = False
    ) -> None:
        self.types = types
        self.atoms = atoms
        # What the rest may take, if each value takes the least that it can.
        self.room = self._limit = room
        self.sealed = sealed
        self.nodes = max(room // _BYTES_A_NODE, _LEAST_NODES)

    def value(self, value: Any, depth: int) -> Any:
        """The JSON form of a value inside ``depth`` containers.

        Raises:
            Refusal: it cannot be stored; an `Excess` if it is too much.
        """
        write = _WRITERS.get(type(value))
        if write is not None:
            return write(self, value, depth)
        if self.sealed and type(value) in SECRET_WRITERS:
            return self.scalar(SECRET_WRITERS[type(value)], value)
        return write_instance(self, value, depth)

    def items(self, values: Collection[Any], depth: int) -> Collection[Any]:
        """The JSON form of a list's items."""
        # Written out here and in `named`: a call for each container would cost a tenth.
        atoms, size = self.atoms, len(values)
        if size > self.room:
            self.charge(size)
        for value in values:
            kind = type(value)
            if kind not in atoms or (kind is int and value.bit_length() > PLAIN_INT_BITS):
                break
            if kind is str:
                size += len(value)
        else:
            self.enter(depth, size)
            return values
        self.enter(depth, len(values))
        out: list[Any] = []
        try:
            for value in values:
                out.append(self.item(value, depth))  # noqa: PERF401  (its length tells where it failed)
        except Refusal as refused:
            refused.path.append(f"[{len(out)}]")
            raise
        return out

    def named(self, values: dict[str, Any], depth: int, form: str) -> dict[str, Any]:
        """The JSON form of a dict with texts as keys; ``form`` makes a step of one."""
        atoms, size = self.atoms, 4 * len(values)
        if size > self.room:
            self.charge(size)
        for key, value in values.items():
            size += len(key)
            kind = type(value)
            if kind not in atoms or (kind is int and value.bit_length() > PLAIN_INT_BITS):
                break
            if kind is str:
                size += len(value)
        else:
            self.enter(depth, size)
            return values
        self.enter(depth, 4 * len(values))
        out: dict[str, Any] = {}
        key = ""
        try:
            for key, value in values.items():
                self.charge(len(key))
                out[key] = self.item(value, depth)
        except Refusal as refused:
            step = label(key)
            refused.path.append(form.format(step if "[" in form else step[1:-1]))
            raise
        return out

    def enter(self, depth: int, size: int) -> None:
        """Another container, of so many characters at least."""
        self.nodes -= 1
        self.room -= size + 1
        if self.room < 0 or self.nodes < 0 or depth >= MAX_DEPTH:
            raise self._excess(depth)

    def charge(self, size: int) -> None:
        """So many characters more, at least."""
        self.room -= size
        if self.room < 0:
            raise self._excess(0)

    def _excess(self, depth: int) -> Excess:
        if depth >= MAX_DEPTH:
            return Excess(f"found values nested more than {MAX_DEPTH} deep; pass flatter ones")
        if self.nodes < 0:
            return Excess(
                "found too many lists, dicts and objects (one that is held in several places "
                "counts in each); store them elsewhere and pass their key"
            )
        return Excess("found too much", of_bytes=True)

    def scalar(self, write: Callable[[Any], Any], value: Any) -> Any:
        """The JSON form of a value without parts."""
        size = least_size(value)
        self.charge(size)
        try:
            tree = write(value)
        except Exception as exc:  # from code of the value's own, such as its time zone's
            raise unreadable(exc) from exc
        if type(tree) is dict:
            text = tree["v"]
            rest = len(text) - size if type(text) is str else 0
            self.charge(_TAG_CHARACTERS + max(rest, 0))
        return tree

    def anew(self, atoms: frozenset[type]) -> Writer:
        """Another walk, with all of the room."""
        return Writer(self.types, atoms, self._limit, sealed=self.sealed)

    def measure(self, value: Any, depth: int) -> None:
        """Raise `Excess` if there is too much in a value, of whatever types."""
        walk = _Measure(self.types, self.atoms, self._limit)
        walk.nodes = self.nodes
        walk.value(value, depth)
        self.nodes = walk.nodes

    def item(self, value: Any, depth: int) -> Any:
        """The JSON form of a value in a container inside ``depth`` others."""
        kind = type(value)
        if kind not in self.atoms or (kind is int and value.bit_length() > PLAIN_INT_BITS):
            return value if kind is float and isfinite(value) else self.value(value, depth + 1)
        if kind is str:
            self.charge(len(value))
        return value

    def tagged(self, kind: str, values: Collection[Any], depth: int) -> dict[str, Any]:
        """A container that is no list."""
        self.charge(_TAG_CHARACTERS)
        return {"$": kind, "v": self.items(values, depth)}


class _Measure(Writer):
    """A walk that goes on where it should refuse."""

    __slots__ = ()

    def value(self, value: Any, depth: int) -> Any:
        try:
            return super().value(value, depth)
        except Excess:
            raise
        except Refusal:
            return None


def write_dict(writer: Writer, value: dict[Any, Any], depth: int) -> Any:
    """The JSON form of a dict: an object if it can be one, else tagged pairs."""
    # Before a walk over a million keys.
    if 4 * len(value) > writer.room:
        writer.enter(depth, 4 * len(value))
    for key in value:
        if type(key) is not str or key == "$":
            break
    else:
        if str in writer.atoms or not any(map(has_surrogates, value)):
            return writer.named(value, depth, "[{}]")
    return {"$": "dict", "v": _write_pairs(writer, value, depth)}


def _write_pairs(writer: Writer, pairs: dict[Any, Any], depth: int) -> list[Any]:
    writer.enter(depth, 2 * len(pairs) + _TAG_CHARACTERS)
    flat: list[Any] = []
    key: Any = None
    try:
        for key, value in pairs.items():
            flat.append(writer.item(key, depth))
            flat.append(writer.item(value, depth))
    except Refusal as refused:
        refused.path.append(f"[{label(key)}]" if len(flat) % 2 else f"(key {label(key)})")
        raise
    return flat


def _write_set(writer: Writer, value: set[Any] | frozenset[Any], depth: int) -> Any:
    # Carefully, because the order is that of the finished JSON.
    atoms, writer.atoms = writer.atoms, CAREFUL
    try:
        tree = writer.tagged(type(value).__name__, value, depth)
    finally:
        writer.atoms = atoms
    tree["v"] = sorted(tree["v"], key=to_json)
    return tree


def _write_deque(writer: Writer, value: deque[Any], depth: int) -> Any:
    tree = writer.tagged("deque", list(value), depth)
    if value.maxlen is not None:
        tree["m"] = value.maxlen
    return tree


def _scalar(write: Callable[[Any], Any]) -> Callable[[Writer, Any, int], Any]:
    return lambda writer, value, _depth: writer.scalar(write, value)


_WRITERS: dict[type, Callable[[Writer, Any, int], Any]] = {
    **{cls: _scalar(write) for cls, write in SCALAR_WRITERS.items()},
    dict: write_dict,
    list: lambda writer, value, depth: writer.items(value, depth),
    tuple: lambda writer, value, depth: writer.tagged("tuple", value, depth),
    set: _write_set,
    frozenset: _write_set,
    deque: _write_deque,
}
