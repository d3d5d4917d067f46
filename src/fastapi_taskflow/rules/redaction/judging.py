"""Which members of a value are secret: by their name, by a mark, by the pair they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from fastapi_taskflow.rules.redaction.marks import Parameters, aliases, marked_fields, parameters_of
from fastapi_taskflow.rules.redaction.names import Names
from fastapi_taskflow.rules.redaction.shapes import Inside

__all__ = ["Judge"]

_UNKNOWN = Parameters((), frozenset())
_PAIR = 2


class Judge:
    """What one manager takes for secret.

    Args:
        names: As of `Names`.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = Names(names)
        self._fields = lru_cache(1024)(self._secret_fields)
        self._functions: WeakKeyDictionary[Any, Parameters] = WeakKeyDictionary()

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

    def _secret_fields(self, cls: Any) -> frozenset[Any]:
        named = {name for name, alias in aliases(cls) if alias in self.names}
        return marked_fields(cls) | named

    def _parameters(self, func: Any) -> Parameters:
        try:
            return self._functions[func]
        except (KeyError, TypeError):  # new, or without hash or weak references
            found = parameters_of(func)
        try:
            self._functions[func] = found
        except TypeError:
            return found
        return found
