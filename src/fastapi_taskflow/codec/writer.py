"""Values to nodes of typed JSON: the walk that `encoder` makes over the arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, Flag
from typing import Any, NoReturn

from pydantic import BaseModel
from pydantic_core import to_json

from fastapi_taskflow.codec.advice import advice, is_row
from fastapi_taskflow.codec.objects import (
    ModelState,
    build_model,
    model_as_json,
    take_dataclass,
    take_model,
)
from fastapi_taskflow.codec.scalars import SCALAR_WRITERS, has_surrogates
from fastapi_taskflow.codec.typetable import TypeTable, is_storable

__all__ = ["CAREFUL", "HOPEFUL", "MAX_DEPTH", "Refusal", "Writer", "write_dict"]

MAX_DEPTH = 64
"""Containers within containers, the arguments themselves counted. Each takes at most two
of the 200 levels that the JSON reader allows."""

# Types taken as they are, in the hope that each value has a JSON form; nearly always so.
HOPEFUL = frozenset[type]({str, int, float, bool, type(None)})
# Types whose every value has one.
CAREFUL = frozenset[type]({bool, type(None)})
_LABEL_CHARACTERS = 40


class Refusal(Exception):
    """A value cannot be stored. ``path`` leads to it, from the inside outwards."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []


class Writer:
    """One walk over the arguments. ``atoms`` are the types that are taken as they are."""

    __slots__ = ("atoms", "types")

    def __init__(self, types: TypeTable, atoms: frozenset[type]) -> None:
        self.types = types
        self.atoms = atoms

    def value(self, value: Any, depth: int) -> Any:
        """The JSON form of a value inside ``depth`` containers."""
        write = _WRITERS.get(type(value))
        if write is not None:
            return write(self, value, depth)
        return _write_object(self, value, depth)

    def items(self, values: Collection[Any], depth: int) -> Collection[Any]:
        if depth >= MAX_DEPTH:
            _refuse_depth()
        atoms = self.atoms
        for value in values:
            if type(value) not in atoms:
                break
        else:
            return values
        out: list[Any] = []
        try:
            for value in values:
                out.append(value if type(value) in atoms else self.value(value, depth + 1))  # noqa: PERF401  (its length tells where it failed)
        except Refusal as refused:
            refused.path.append(f"[{len(out)}]")
            raise
        return out

    def named(self, values: dict[str, Any], depth: int, form: str) -> dict[str, Any]:
        if depth >= MAX_DEPTH:
            _refuse_depth()
        atoms = self.atoms
        for value in values.values():
            if type(value) not in atoms:
                break
        else:
            return values
        out: dict[str, Any] = {}
        key = ""
        try:
            for key, value in values.items():
                out[key] = value if type(value) in atoms else self.value(value, depth + 1)
        except Refusal as refused:
            refused.path.append(form.format(_shortened(key)))
            raise
        return out


def _refuse_depth() -> NoReturn:
    raise Refusal(f"found values nested more than {MAX_DEPTH} deep; pass flatter ones")


def _label(key: object) -> str:
    if type(key) is str:
        return repr(_shortened(key))
    return repr(key) if type(key) in HOPEFUL else f"<{type(key).__name__}>"


def _shortened(text: str) -> str:
    return text if len(text) <= _LABEL_CHARACTERS else f"{text[:_LABEL_CHARACTERS]}..."


def write_dict(writer: Writer, value: dict[Any, Any], depth: int) -> Any:
    """The JSON form of a dict: an object if it can be one, else tagged pairs."""
    for key in value:
        if type(key) is not str or key == "$":
            break
    else:
        if str in writer.atoms or not any(map(has_surrogates, value)):
            return writer.named(value, depth, "[{!r}]")
    return {"$": "dict", "v": _write_pairs(writer, value, depth)}


def _write_pairs(writer: Writer, pairs: dict[Any, Any], depth: int) -> list[Any]:
    if depth >= MAX_DEPTH:
        _refuse_depth()
    flat: list[Any] = []
    for key, value in pairs.items():
        part = f"(key {_label(key)})"
        try:
            flat.append(writer.value(key, depth + 1))
            part = f"[{_label(key)}]"
            flat.append(writer.value(value, depth + 1))
        except Refusal as refused:
            refused.path.append(part)
            raise
    return flat


def _write_set(writer: Writer, value: set[Any] | frozenset[Any], depth: int) -> Any:
    # Carefully, because the order is that of the finished JSON.
    items = Writer(writer.types, CAREFUL).items(value, depth)
    return {"$": type(value).__name__, "v": sorted(items, key=to_json)}


def _write_object(writer: Writer, value: Any, depth: int) -> Any:
    cls = type(value)
    if not is_storable(cls) or is_row(cls):
        raise Refusal(_unstorable(cls))
    name = writer.types.name_of(cls)
    if name is None:
        raise Refusal(
            f"found {_title(cls)}, which no registered task mentions; annotate the task's "
            f"parameter with it, or call registry.register_type({cls.__qualname__}), so that "
            "it can be read back after a restart"
        )
    if isinstance(value, Enum):
        # A combination of flags has no name of its own.
        return {"$": "enum", "c": name, "v": value.value if isinstance(value, Flag) else value.name}
    if isinstance(value, BaseModel):
        return {"$": "model", "c": name, **_write_model(writer, value, depth)}
    try:
        taken = take_dataclass(value)
    except Exception as exc:  # from the class's own constructor
        raise Refusal(_unbuildable(cls, exc)) from exc
    return {"$": "dataclass", "c": name, "v": writer.named(taken, depth, ".{}")}


def _write_model(writer: Writer, value: BaseModel, depth: int) -> dict[str, Any]:
    try:
        return _write_model_fields(writer, value, depth)
    except Refusal:
        # A field of a type that only pydantic knows, such as an URL.
        try:
            data = model_as_json(value)
        except Exception:  # any of its validators and serialisers
            data = None
        if data is None:
            raise
    return {"j": writer.value(data, depth + 1), "s": sorted(value.model_fields_set)}


def _write_model_fields(writer: Writer, value: BaseModel, depth: int) -> dict[str, Any]:
    state = take_model(value)
    tree = _write_state(writer, state, depth)
    try:
        same = _same(writer.types, build_model(type(value), state), value)
    except Exception as exc:  # from the class's own validators
        raise Refusal(_unbuildable(type(value), exc)) from exc
    if not same:
        raise Refusal(
            f"found {_title(type(value))}, whose validators change its own values, so that it "
            "would not come back equal; pass the values that they take instead"
        )
    return tree


def _write_state(writer: Writer, state: ModelState, depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"v": writer.named(state.fields, depth, ".{}"), "s": state.fields_set}
    if state.extra:
        tree["x"] = writer.value(state.extra, depth + 1)
    if state.private is not None:
        tree["p"] = writer.named(state.private, depth, ".{}")
    return tree


def _same(types: TypeTable, one: BaseModel, other: BaseModel) -> bool:
    if one == other:
        return True
    # A NaN is not equal to itself: the written form decides.
    careful = Writer(types, CAREFUL)
    forms = [to_json(_write_state(careful, take_model(model), 0)) for model in (one, other)]
    return forms[0] == forms[1]


def _title(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _unbuildable(cls: type, exc: Exception) -> str:
    # The error's text may hold values, which may be secret.
    return f"found {_title(cls)}, which cannot be built from its own values ({type(exc).__name__})"


def _unstorable(cls: type) -> str:
    told = advice(cls)
    if told is not None:
        return f"found {_title(cls)}, which {told}"
    base = next((base for base in cls.__mro__ if base in _WRITERS), None)
    if base is not None:
        return (
            f"found {_title(cls)}, a subclass of {base.__name__} that would come back as a "
            f"plain {base.__name__}; pass one"
        )
    return (
        f"found {_title(cls)}, which cannot be stored; pass plain values, a dataclass or a "
        "pydantic model, or an id by which the task can find it"
    )


def _scalar(write: Callable[[Any], Any]) -> Callable[[Writer, Any, int], Any]:
    def written(_writer: Writer, value: Any, _depth: int) -> Any:
        try:
            return write(value)
        except ValueError as exc:
            raise Refusal(str(exc)) from exc
        except Exception as exc:  # from code of the value's own, such as its time zone's
            raise Refusal(f"{type(exc).__name__} while reading it: {exc}") from exc

    return written


_WRITERS: dict[type, Callable[[Writer, Any, int], Any]] = {
    **{cls: _scalar(write) for cls, write in SCALAR_WRITERS.items()},
    dict: write_dict,
    list: lambda writer, value, depth: writer.items(value, depth),
    tuple: lambda writer, value, depth: {"$": "tuple", "v": writer.items(value, depth)},
    set: _write_set,
    frozenset: _write_set,
}
