"""Copies of values for people: bounded, without secrets, and without code of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from fastapi_taskflow.rules.redaction.insides import Inside, inside, is_text_like, text_of
from fastapi_taskflow.rules.redaction.judging import Judge
from fastapi_taskflow.rules.redaction.masks import MASK, NO_MASK, Mask
from fastapi_taskflow.words.plain import ATOMS, name_of
from fastapi_taskflow.words.texts import fit, written

__all__ = ["Copying", "Written"]

# Of one value; a page shows less of it.
_MOST_VALUES = 2_000
_DEEPEST = 20
_TEXT_LIMIT_BYTES = 16 * 1024


class Written:
    """A value that is there to be read."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_MORE = Written("...")


class Fields:
    """An object, written as Python would write a dataclass."""

    __slots__ = ("_fields", "_name")

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        self._name = name
        self._fields = fields

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={written(value)}" for name, value in self._fields.items())
        return f"{self._name}({inside})"


class Copying:
    """One value's copy, of at most some thousand parts."""

    def __init__(self, judge: Judge, mask: Mask = NO_MASK) -> None:
        self._judge = judge
        self._mask = mask
        self._left = _MOST_VALUES

    def copy(self, value: Any, depth: int = 0) -> Any:
        """Text masked and cut, containers as containers, objects as their fields."""
        self._left -= 1
        if self._left < 0 or depth >= _DEEPEST:
            return _MORE
        try:
            if type(value) in ATOMS:
                return self._atom(value)
            return self._object(value, depth)
        # A class of the user's is in the way (its metaclass, say).
        except BaseException:
            return Written("<not readable>")

    def _atom(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is bytes:
            text = repr(value if len(value) <= _TEXT_LIMIT_BYTES else value[:_TEXT_LIMIT_BYTES])
            masked = self._mask(text)
            whole = masked == text and len(value) <= _TEXT_LIMIT_BYTES
            return value if whole else Written(masked)
        if self._mask and (kind is int or kind is float):
            return self._number(value)
        return value

    def _text(self, text: str) -> str:
        # As it is otherwise: `repr` or JSON writes its control characters out.
        return fit(text, _TEXT_LIMIT_BYTES, self._mask, tidy=str)

    def _number(self, value: Any) -> Any:
        text = written(value)
        return value if self._mask(text) == text else MASK

    def _object(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if issubclass(kind, Enum):
            return Written(f"{name_of(kind)}.{object.__getattribute__(value, '_name_')}")
        found = inside(value, self._left)
        if found is not None:
            return self._members(value, found, depth)
        if is_text_like(kind):
            text = repr(value)
            masked = self._mask(text)
            return value if masked == text else Written(masked)
        text_in_it = text_of(value)
        if text_in_it is not None:
            return self._text(text_in_it)
        return Written(f"<{name_of(kind)} object>")

    def _members(self, value: Any, found: Inside, depth: int) -> Any:
        if found.form == "secret":
            return MASK
        if found.form == "list":
            return self._list(type(value), found, depth)
        copied = {
            self._name(name): MASK if secret else self.copy(one, depth + 1)
            for name, one, secret in self._judge.members(value, found)
            if self._left > 0
        }
        if found.form == "dict":
            return copied
        return Fields(name_of(type(value)), copied)

    def _list(self, kind: type, found: Inside, depth: int) -> Any:
        copied: list[Any] = []
        for _, one in found.pairs:
            if self._left <= 0:
                copied.append(_MORE)
                break
            if self._judge.names_its_value(one):
                copied.append(type(one)((self.copy(one[0], depth + 2), MASK)))
            else:
                copied.append(self.copy(one, depth + 1))
        if issubclass(kind, tuple):
            return tuple(copied)
        if issubclass(kind, set | frozenset):
            return Written(f"{{{', '.join(map(written, copied))}}}" if copied else "set()")
        return copied

    def _name(self, name: Any) -> Any:
        if type(name) is str:
            return self._text(name)
        if type(name) in ATOMS:
            return name
        copied = self.copy(name, _DEEPEST - 2)
        return copied if isinstance(copied, str | int | float | bytes) else Written(repr(copied))
