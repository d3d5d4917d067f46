"""Instances of classes as nodes of typed JSON: enums, dataclasses, named tuples and models."""

from __future__ import annotations

from collections import deque
from enum import Enum, Flag
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import to_json

from fastapi_taskflow.rules.codec.objects import (
    ModelState,
    build_model,
    model_as_json,
    take_dataclass,
    take_model,
    take_named_tuple,
)
from fastapi_taskflow.rules.codec.refusals import Refusal, advice, is_row, title, unreadable
from fastapi_taskflow.rules.codec.scalars import (
    CAREFUL,
    DATES,
    SCALAR_WRITERS,
    SECRET_WRITERS,
    plain_date,
)
from fastapi_taskflow.rules.codec.typetable import Types, is_named_tuple, is_storable

__all__ = ["Walk", "write_instance"]

# A model is validated, which takes as long as so many lists.
_MODEL_NODES = 6
# What a node takes beside the class's name and its fields.
_OVERHEAD_CHARACTERS = 22
# Of what subclasses usually are, to be named in refusals.
_BASES = frozenset[type]({*SCALAR_WRITERS, dict, list, tuple, set, frozenset, deque})


class Walk(Protocol):
    """What this needs of a `Writer`."""

    types: Types
    nodes: int

    def value(self, value: Any, depth: int) -> Any:
        """The JSON form of a value."""

    def named(self, values: dict[str, Any], depth: int, form: str) -> dict[str, Any]:
        """The JSON form of fields."""

    def charge(self, size: int) -> None:
        """So many characters more, at least."""

    def anew(self, atoms: frozenset[type]) -> Walk:
        """Another walk, with all of the room."""

    def measure(self, value: Any, depth: int) -> None:
        """Raise `Excess` if there is too much in a value, of whatever types."""


def write_instance(walk: Walk, value: Any, depth: int) -> Any:
    """The JSON form of a value that is not of a built-in type.

    Raises:
        Refusal: it cannot be stored.
    """
    cls = type(value)
    if not is_storable(cls) or is_row(cls):
        return _write_foreign(walk, value, depth)
    name = walk.types.name_of(cls)
    if name is None:
        raise Refusal(_unnamed(walk.types, cls))
    walk.charge(_OVERHEAD_CHARACTERS + len(name))
    if isinstance(value, Enum):
        # A combination of flags has no name of its own.
        return {"$": "enum", "c": name, "v": value.value if isinstance(value, Flag) else value.name}
    if isinstance(value, BaseModel):
        return {"$": "model", "c": name, **_write_model(walk, value, depth)}
    if is_named_tuple(cls):
        try:
            taken = take_named_tuple(value)
        except Exception as exc:
            raise unreadable(exc) from exc
        return {"$": "namedtuple", "c": name, "v": walk.named(taken, depth, ".{}")}
    try:
        taken = take_dataclass(value)
    except BaseException as exc:  # from the class's own constructor; SystemExit, too
        raise Refusal(_unbuildable(cls, exc)) from exc
    return {"$": "dataclass", "c": name, "v": walk.named(taken, depth, ".{}")}


def _write_foreign(walk: Walk, value: Any, depth: int) -> Any:
    cls = type(value)
    if issubclass(cls, DATES):
        try:
            plain = plain_date(value)
        except Exception as exc:
            raise unreadable(exc) from exc
        return walk.value(plain, depth)
    raise Refusal(_unstorable(cls))


def _write_model(walk: Walk, value: BaseModel, depth: int) -> dict[str, Any]:
    try:
        return _write_model_fields(walk, value, depth)
    except Refusal as refused:
        # A field of a type that only pydantic knows, such as a colour.
        if refused.final:
            raise
        refused.final = True
        walk.measure(take_model(value).fields, depth)
        try:
            data = model_as_json(value)
        except BaseException:  # any of its validators and serialisers, as above
            data = None
        if data is None:
            raise
    return {"j": walk.value(data, depth + 1), "s": sorted(value.model_fields_set)}


def _write_model_fields(walk: Walk, value: BaseModel, depth: int) -> dict[str, Any]:
    state = take_model(value)
    walk.nodes -= _MODEL_NODES
    walk.charge(sum(map(len, state.fields_set)))
    tree = _write_state(walk, state, depth)
    try:
        same = _same(walk, build_model(type(value), state), value)
    except BaseException as exc:  # from the class's own validators, as above
        raise Refusal(_unbuildable(type(value), exc)) from exc
    # Its validators change its own values: they are only to say whether they take them.
    return tree if same else {**tree, "r": 1}


def _write_state(walk: Walk, state: ModelState, depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"v": walk.named(state.fields, depth, ".{}"), "s": state.fields_set}
    if state.extra:
        tree["x"] = walk.value(state.extra, depth + 1)
    if state.private is not None:
        tree["p"] = walk.named(state.private, depth, ".{}")
    return tree


def _same(walk: Walk, one: BaseModel, other: BaseModel) -> bool:
    if one == other and one.__dict__.keys() == other.__dict__.keys():
        return True
    # A NaN is not equal to itself: the written form decides.
    forms = [
        to_json(_write_state(walk.anew(CAREFUL), take_model(model), 0)) for model in (one, other)
    ]
    return forms[0] == forms[1]


def _unnamed(types: Types, cls: type) -> str:
    if types.has_twin(cls):
        return (
            f"found {title(cls)}, and another class of that name is what is known by it; rename "
            "one, or annotate the task's parameter with this one"
        )
    return (
        f"found {title(cls)}, which no registered task mentions; annotate the task's parameter "
        f"with it, or call registry.register_type({cls.__qualname__}), so that it can be read "
        "back after a restart"
    )


def _unbuildable(cls: type, exc: BaseException) -> str:
    # The error's text may hold values, which may be secret.
    return f"found {title(cls)}, which cannot be built from its own values ({type(exc).__name__})"


def _unstorable(cls: type) -> str:
    if cls in SECRET_WRITERS:
        return (
            f"found {title(cls)}, which is stored only where it is encrypted; give the "
            "TaskManager an encrypt_args_key, or pass what leads the task to the secret"
        )
    told = advice(cls)
    if told is not None:
        return f"found {title(cls)}, which {told}"
    base = next((base for base in cls.__mro__ if base in _BASES), None)
    if base is not None:
        return (
            f"found {title(cls)}, a subclass of {base.__name__} that would come back as a "
            f"plain {base.__name__}; pass one"
        )
    return (
        f"found {title(cls)}, which cannot be stored; pass plain values, a dataclass or a "
        "pydantic model, or an id by which the task can find it"
    )
