"""Objects of users' classes taken apart into fields, and put together again.

Both directions are written so that the object comes back equal: what cannot is refused
when it is taken apart, while somebody is there to read the error.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, RootModel

__all__ = ["ModelState", "build_dataclass", "build_model", "take_dataclass", "take_model"]

_MISSING = object()


class _Plan(NamedTuple):
    names: tuple[str, ...]
    init: tuple[str, ...]
    # The constructor takes exactly the fields; else they are set on a bare object.
    constructs: bool
    # Code of the class's own runs in the constructor and may refuse its own values.
    checks: bool


@lru_cache(maxsize=1024)
def _plan(cls: type) -> _Plan:
    all_fields = fields(cls)
    init = tuple(f.name for f in all_fields if f.init)
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        parameters = {}
    required = {name for name, p in parameters.items() if p.default is p.empty}
    return _Plan(
        names=tuple(f.name for f in all_fields),
        init=init,
        constructs=required <= set(init) <= set(parameters),
        checks=hasattr(cls, "__post_init__") or hasattr(cls, "__pydantic_validator__"),
    )


def take_dataclass(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance that are set.

    Raises:
        Exception: the class's own constructor refuses the values.
    """
    plan = _plan(type(value))
    found = {
        name: field
        for name in plan.names
        if (field := getattr(value, name, _MISSING)) is not _MISSING
    }
    if plan.checks:
        build_dataclass(type(value), found)
    return found


def build_dataclass(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance with these fields. Runs the class's constructor, if it takes its fields.

    Raises:
        ValueError: a field that the class does not have.
        Exception: what the constructor raises.
    """
    plan = _plan(cls)
    unknown = values.keys() - set(plan.names)
    if unknown:
        raise ValueError(f"{cls.__qualname__} has no field {sorted(unknown)[0]!r}")
    if plan.constructs:
        instance = cls(**{name: values[name] for name in plan.init if name in values})
    else:
        instance = object.__new__(cls)
    for name, value in values.items():
        # Also where __post_init__ changed it, and where the class is frozen.
        if getattr(instance, name, _MISSING) is not value:
            object.__setattr__(instance, name, value)
    return instance


class ModelState(NamedTuple):
    """A pydantic model in parts. ``fields_set`` also names extra values."""

    fields: dict[str, Any]
    fields_set: list[str]
    extra: dict[str, Any] | None
    private: dict[str, Any] | None


def take_model(value: BaseModel) -> ModelState:
    """The parts of a model.

    Raises:
        ValueError: validating its own values does not give an equal model.
    """
    held = value.__dict__
    state = ModelState(
        fields={name: held[name] for name in type(value).model_fields if name in held},
        fields_set=sorted(value.model_fields_set),
        extra=value.__pydantic_extra__,
        private=value.__pydantic_private__,
    )
    return state


def build_model(cls: type[BaseModel], state: ModelState) -> BaseModel:
    """A model of these parts, validated by its class.

    Raises:
        ValueError: the class refuses the values (`pydantic.ValidationError`).
    """
    data: Any = {**state.fields, **(state.extra or {})}
    if issubclass(cls, RootModel):
        data = data["root"]
    model = cls.model_validate(data, by_alias=False, by_name=True)
    object.__setattr__(model, "__pydantic_fields_set__", set(state.fields_set))
    if state.private is not None:
        object.__setattr__(model, "__pydantic_private__", dict(state.private))
    return model
