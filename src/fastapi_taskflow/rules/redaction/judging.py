"""Which members of a value are secret: by their name, by a mark, by the pair they stand in."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from pydantic import AliasChoices, AliasPath, BaseModel, SecretBytes, SecretStr

from fastapi_taskflow.rules.redaction.insides import Inside
from fastapi_taskflow.rules.redaction.names import Names

__all__ = ["Judge", "Sensitive"]

_PAIR = 2
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


class Sensitive:
    """Marks a parameter or a field as secret: ``Annotated[str, Sensitive]``."""


class _Parameters(NamedTuple):
    """A function's parameters that take positional arguments, and those that are marked."""

    positional: tuple[str, ...]
    marked: frozenset[str]


_UNKNOWN = _Parameters((), frozenset())


class Judge:
    """What one manager takes for secret.

    Args:
        names: As of `Names`.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = Names(names)
        self._fields = lru_cache(1024)(self._secret_fields)
        self._functions: WeakKeyDictionary[Any, _Parameters] = WeakKeyDictionary()

    def members(self, value: Any, found: Inside) -> Iterator[tuple[Any, Any, bool]]:
        """Each member's name, value, and whether it is secret where it stands."""
        if found.form == "secret":
            for name, one in found.pairs:
                yield name, one, True
            return
        cls: Any = type(value)
        declared = self._fields(cls) if found.form == "fields" else frozenset()
        for name, one in found.pairs:
            yield name, one, name is not None and (name in declared or name in self.names)

    def names_its_value(self, member: Any) -> bool:
        """A member of a list that is a pair: of a sensitive name, and its value."""
        kind = type(member)
        if (kind is not tuple and kind is not list) or len(member) != _PAIR:
            return False
        return member[0] in self.names

    def arguments(
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[tuple[bool, Any]]:
        """Each argument in order, and whether its parameter is sensitive."""
        known = _UNKNOWN if func is None else self._parameters(func)
        names, last = known.positional, len(known.positional) - 1
        for place, value in enumerate(args):
            # What goes beyond the named ones belongs to the last, which is *args.
            name = names[min(place, last)] if names else ""
            yield name in known.marked or name in self.names, value
        for name, value in kwargs.items():
            yield name in known.marked or name in self.names, value

    def hides(self, func: Any, name: str) -> bool:
        """Whether a parameter is sensitive."""
        return name in self._parameters(func).marked or name in self.names

    def _secret_fields(self, cls: Any) -> frozenset[Any]:
        named = {name for name, alias in _aliases(cls) if alias in self.names}
        return _marked_fields(cls) | named

    def _parameters(self, func: Any) -> _Parameters:
        try:
            return self._functions[func]
        except (KeyError, TypeError):  # new, or without hash or weak references
            found = _parameters_of(func)
        try:
            self._functions[func] = found
        except TypeError:
            return found
        return found


def _parameters_of(func: Callable[..., Any]) -> _Parameters:
    """What is known of a callable's parameters; nothing if it is of another language."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return _UNKNOWN
    hints = _hints(inspect.unwrap(getattr(func, "__func__", func)))
    return _Parameters(
        tuple(one.name for one in parameters if one.kind in _POSITIONAL),
        frozenset(
            one.name for one in parameters if _is_marked(hints.get(one.name, one.annotation))
        ),
    )


def _marked_fields(cls: type) -> frozenset[str]:
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


def _aliases(cls: type) -> Iterator[tuple[str, str]]:
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
