"""What functions and classes say of their own parameters and fields."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import AliasChoices, AliasPath, BaseModel, SecretBytes, SecretStr

__all__ = ["Parameters", "Sensitive", "aliases", "marked_fields", "parameters_of"]

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


class Sensitive:
    """Marks a parameter or a field as secret: ``Annotated[str, Sensitive]``."""


class Parameters(NamedTuple):
    """A function's parameters that take positional arguments, and those that are marked."""

    positional: tuple[str, ...]
    marked: frozenset[str]


def parameters_of(func: Callable[..., Any]) -> Parameters:
    """What is known of a callable's parameters; nothing if it is of another language."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return Parameters((), frozenset())
    hints = _hints(inspect.unwrap(getattr(func, "__func__", func)))
    return Parameters(
        tuple(one.name for one in parameters if one.kind in _POSITIONAL),
        frozenset(
            one.name for one in parameters if _is_marked(hints.get(one.name, one.annotation))
        ),
    )


def marked_fields(cls: type) -> frozenset[str]:
    """The fields of a class that are secret by their annotation."""
    marked = {name for name, hint in _hints(cls).items() if _is_marked(hint)}
    if issubclass(cls, BaseModel):
        # Pydantic keeps what stood in Annotated apart from the type.
        marked |= {
            name
            for name, field in cls.model_fields.items()
            if any(map(_is_mark, field.metadata)) or _is_marked(field.annotation)
        }
    return frozenset(marked)


def aliases(cls: type) -> Iterator[tuple[str, str]]:
    """The fields of a pydantic model with each other name that data may give them."""
    if not issubclass(cls, BaseModel):
        return
    for name, field in cls.model_fields.items():
        for alias in (field.alias, field.validation_alias, field.serialization_alias):
            yield from ((name, each) for each in _texts(alias))


def _texts(alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    match alias:
        case str():
            yield alias
        case AliasPath():
            yield from (part for part in alias.path if isinstance(part, str))
        case AliasChoices():
            for choice in alias.choices:
                yield from _texts(choice)
        case None:
            pass


def _hints(owner: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(owner, include_extras=True)
    # A name that only a type checker can see: what is written stays to be looked at.
    except BaseException:
        return dict(getattr(owner, "__annotations__", {}))


def _is_marked(hint: Any) -> bool:
    if isinstance(hint, str):
        return "Sensitive" in hint or "SecretStr" in hint or "SecretBytes" in hint
    if hint in (SecretStr, SecretBytes):
        return True
    if any(map(_is_mark, getattr(hint, "__metadata__", ()))):
        return True
    # Optional[Annotated[...]], list[Annotated[...]] and the like.
    return any(_is_marked(part) for part in typing.get_args(hint) if not isinstance(part, str))


def _is_mark(item: Any) -> bool:
    return item is Sensitive or isinstance(item, Sensitive)
