"""Objects of users' classes taken apart into fields, and put together again.

Both directions are written so that the object comes back equal. What would not is refused
when it is taken apart, while somebody is there to read the error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, RootModel
from pydantic_core import to_json

__all__ = [
    "ModelState",
    "build_dataclass",
    "build_model",
    "build_model_from_json",
    "build_named_tuple",
    "model_as_json",
    "take_dataclass",
    "take_model",
    "take_named_tuple",
]

_MISSING = object()


class _Plan(NamedTuple):
    names: tuple[str, ...]
    init: tuple[str, ...]
    # The constructor takes its fields; if not, they are set on a bare object.
    constructs: bool
    # Code of the user's runs in the constructor, and could refuse the object's own values.
    checks: bool


def _make_plan(cls: Any) -> _Plan:
    all_fields = fields(cls)
    init = tuple(field.name for field in all_fields if field.init)
    required, accepted = _parameters(cls)
    constructs = required <= set(init) <= accepted
    generated = getattr(cls.__init__, "__code__", None)
    return _Plan(
        names=tuple(field.name for field in all_fields),
        init=init,
        constructs=constructs,
        # Code that `dataclasses` generated has no file.
        checks=constructs
        and (
            hasattr(cls, "__post_init__")
            or generated is None
            or generated.co_filename != "<string>"
        ),
    )


_plan: Callable[[Any], _Plan] = lru_cache(maxsize=1024)(_make_plan)


def _parameters(cls: Any) -> tuple[set[str], set[str]]:
    """Names that the constructor needs, and all that it takes."""
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):  # no signature to be had
        return {""}, set()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {name: p for name, p in parameters.items() if p.kind not in variadic}
    return {name for name, p in named.items() if p.default is p.empty}, set(named)


def take_dataclass(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance, except those that were never set.

    Raises:
        Exception: the class's own constructor refuses the values.
    """
    plan = _plan(type(value))
    # Not by name where that can be helped: a class may have code of its own behind one.
    held = getattr(value, "__dict__", {})
    found = {
        name: part
        for name in plan.names
        if (part := held[name] if name in held else getattr(value, name, _MISSING)) is not _MISSING
    }
    if plan.checks:
        build_dataclass(type(value), found)
    return found


def build_dataclass(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance with exactly these fields.

    The constructor runs, if it takes the fields by name, so that whatever else it sets up
    is there. What it makes of a field is overwritten with the field's own value.

    Raises:
        ValueError: a field that the class does not have.
        Exception: what the constructor raises.
    """
    plan = _plan(cls)
    unknown = values.keys() - set(plan.names)
    if unknown:
        raise ValueError(f"{cls.__qualname__} has no field {min(unknown)!r}")
    if plan.constructs:
        instance = cls(**{name: values[name] for name in plan.init if name in values})
    else:
        instance = object.__new__(cls)
    for name, value in values.items():
        if getattr(instance, name, _MISSING) is not value:
            # The class may be frozen.
            object.__setattr__(instance, name, value)
    return instance


def take_named_tuple(value: Any) -> dict[str, Any]:
    """The fields of a NamedTuple.

    Raises:
        ValueError: it holds more than them.
    """
    if getattr(value, "__dict__", None):
        raise ValueError(f"found {type(value).__qualname__} with attributes that are no fields")
    return dict(zip(value._fields, value, strict=True))


def build_named_tuple(cls: Any, values: Mapping[str, Any]) -> Any:
    """An instance with exactly these fields; one that is missing has its default.

    Raises:
        ValueError: a field that the class does not have.
        KeyError: one that it has, without a default.
    """
    unknown = values.keys() - set(cls._fields)
    if unknown:
        raise ValueError(f"{cls.__qualname__} has no field {min(unknown)!r}")
    defaults = cls._field_defaults
    return cls._make(values[name] if name in values else defaults[name] for name in cls._fields)


class ModelState(NamedTuple):
    """A pydantic model in parts. ``fields_set`` also names the extra values."""

    fields: dict[str, Any]
    fields_set: list[str]
    extra: dict[str, Any] | None
    private: dict[str, Any] | None


def take_model(value: BaseModel) -> ModelState:
    """The parts of a model, its values as they are."""
    held = value.__dict__
    return ModelState(
        # Cached properties live in the same dict.
        fields={name: held[name] for name in type(value).model_fields if name in held},
        fields_set=sorted(value.model_fields_set),
        extra=value.__pydantic_extra__,
        private=value.__pydantic_private__,
    )


def build_model(cls: type[BaseModel], state: ModelState, *, as_is: bool = False) -> BaseModel:
    """A model of these parts, validated by its class, by field names whatever its aliases.

    Args:
        as_is: What its validators make of the values is not taken.

    Raises:
        ValueError: the class refuses the values (`pydantic.ValidationError`).
    """
    data: Any = {**state.fields, **(state.extra or {})}
    if issubclass(cls, RootModel):
        data = data["root"]
    model = cls.model_validate(data, by_alias=False, by_name=True)
    if as_is:
        model.__dict__.update(state.fields)
        if state.extra:
            object.__setattr__(model, "__pydantic_extra__", state.extra)
    object.__setattr__(model, "__pydantic_fields_set__", set(state.fields_set))
    if state.private is not None:
        object.__setattr__(model, "__pydantic_private__", dict(state.private))
    return model


def model_as_json(value: BaseModel) -> Any:
    """The model in pydantic's own JSON form, for fields of types that only pydantic knows.

    Raises:
        ValueError: that form does not give an equal model.
    """
    data = value.model_dump(mode="json", by_alias=False, round_trip=True, warnings=False)
    again = build_model_from_json(type(value), data, value.model_fields_set)
    if again != value or not _same_types(again, value):
        raise ValueError("its JSON form is not equal to it")
    return data


def _same_types(one: Any, other: Any) -> bool:
    """For equal values: no part is of another type, as a text in the place of a StrEnum."""
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        one, other = one.__dict__, other.__dict__
    elif is_dataclass(one):
        names = _plan(type(one)).names
        one, other = ([getattr(each, name, None) for name in names] for each in (one, other))
    if isinstance(one, Mapping):
        pairs = [*zip(one, other, strict=True), *((one[key], other[key]) for key in one)]
    elif isinstance(one, (list, tuple)):
        pairs = list(zip(one, other, strict=True))
    elif isinstance(one, (set, frozenset)):
        return sorted(map(_type_name, one)) == sorted(map(_type_name, other))
    else:
        return True
    return all(_same_types(*pair) for pair in pairs)


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def build_model_from_json(cls: type[BaseModel], data: Any, fields_set: set[str]) -> BaseModel:
    """The model of which `model_as_json` gave ``data``.

    Raises:
        ValueError: the class refuses the values (`pydantic.ValidationError`).
    """
    model = cls.model_validate_json(to_json(data), by_alias=False, by_name=True)
    object.__setattr__(model, "__pydantic_fields_set__", set(fields_set))
    return model
