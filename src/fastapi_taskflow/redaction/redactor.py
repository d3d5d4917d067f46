"""Finding the secrets among a call's arguments, and copies without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import SecretBytes, SecretStr

from fastapi_taskflow.errors import ConfigurationError
from fastapi_taskflow.redaction.marks import (
    Parameters,
    marked_fields,
    parameters_of,
    values_of,
)
from fastapi_taskflow.redaction.masks import MASK, NO_MASK, Mask

__all__ = ["DEFAULT_NAMES", "Redactor"]

DEFAULT_NAMES = frozenset({
    "access_key", "api_key", "apikey", "authorization", "cookie", "cookies", "credential",
    "credentials", "csrf", "jwt", "passphrase", "passwd", "password", "passwords",
    "private_key", "pwd", "secret", "secrets", "session_id", "token",
})  # fmt: skip
"""Names that are always sensitive."""

# Bounds the walk over one task's arguments to some 10 ms.
_MOST_VALUES = 20_000
_DEEPEST = 64
# A shorter name counts as a whole word only: "pin" is not in "spin".
_LEAST_ENDING = 5
# Carry no secret of their own; under a sensitive name they are one.
_ATOMS = frozenset[type]({str, int, float, bool, bytes, type(None)})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_A-Za-z]+")


class Redactor:
    """The sensitive names of one manager.

    Args:
        names: Beside `DEFAULT_NAMES`. ``api_key`` means ``apiKey``, ``X-Api-Key`` and
            ``stripe_api_key`` as well.

    Raises:
        ConfigurationError: something is no name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = [names] if isinstance(names, str) else list(names)
        for name in given:
            if not isinstance(name, str) or not _words(name).strip():
                raise ConfigurationError(f"redact takes names, got {name!r}.")
        self._phrases = tuple(_words(name) for name in DEFAULT_NAMES.union(given))
        words = (phrase.replace(" ", "") for phrase in self._phrases)
        self._endings = tuple(word for word in words if len(word) >= _LEAST_ENDING)
        self.is_sensitive = lru_cache(4096)(self._is_sensitive)
        self._functions: WeakKeyDictionary[Callable[..., Any], Parameters] = WeakKeyDictionary()

    def _is_sensitive(self, name: str) -> bool:
        """The name has a sensitive one among its words, or ends with it."""
        words = _words(name)
        return any(phrase in words for phrase in self._phrases) or words.replace(" ", "").endswith(
            self._endings
        )

    # Secrets out of text

    @staticmethod
    def is_fixed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Nobody can change these arguments, so `mask_of` finds the same now and later."""
        for value in args:
            if type(value) not in _ATOMS:
                return False
        return not kwargs or all(type(value) in _ATOMS for value in kwargs.values())

    def mask_of(
        self, func: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Mask:
        """What hides the secrets among a call's arguments."""
        if not args and not kwargs:
            return NO_MASK
        found = _Findings(self)
        for secret, value in self._arguments(func, args, kwargs):
            if secret or type(value) not in _ATOMS:
                found.visit(value, 0, secret=secret)
        return Mask(found.secrets) if found.secrets else NO_MASK

    def labels(self, tags: Mapping[str, str], mask: Mask) -> dict[str, str]:
        """Tags as they may be kept."""
        return {name: MASK if self.is_sensitive(name) else mask(v) for name, v in tags.items()}

    def details(self, details: Mapping[str, Any], mask: Mask = NO_MASK) -> dict[str, Any]:
        """The extra values of a log line, or the details of an act, as they may be kept."""
        return {
            name: MASK if self.is_sensitive(name) else mask.value(self.copy(value))
            for name, value in details.items()
        }

    # Arguments for people

    def shown(
        self, func: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments to be written with ``repr``."""
        mask = self.mask_of(func, args, kwargs)
        shown = [
            _Shown(MASK if secret else self.copy(value), mask)
            for secret, value in self._arguments(func, args, kwargs)
        ]
        return tuple(shown[: len(args)]), dict(zip(kwargs, shown[len(args) :], strict=True))

    def copy(self, value: Any, depth: int = 0) -> Any:
        """The value with what is secret by name or mark masked inside it."""
        if type(value) in _ATOMS:
            return value
        if depth >= _DEEPEST:
            return MASK
        if isinstance(value, dict):
            return {
                key: MASK
                if isinstance(key, str) and self.is_sensitive(key)
                else self.copy(one, depth + 1)
                for key, one in value.items()
            }
        if type(value) in (list, tuple):
            return type(value)(self.copy(one, depth + 1) for one in value)
        fields = values_of(value)
        if fields is None:
            return value
        cls: type = type(value)
        marked = marked_fields(cls)
        return _Fields(
            cls.__name__,
            {
                name: MASK
                if name in marked or self.is_sensitive(name)
                else self.copy(one, depth + 1)
                for name, one in fields.items()
            },
        )

    def _arguments(
        self, func: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[tuple[bool, Any]]:
        """Each argument in order, and whether its parameter is sensitive."""
        known = _UNKNOWN if func is None else self._parameters(func)
        names, last = known.positional, len(known.positional) - 1
        for place, value in enumerate(args):
            # What goes beyond the named ones belongs to the last, which is *args.
            name = names[min(place, last)] if names else ""
            yield name in known.marked or self.is_sensitive(name), value
        for name, value in kwargs.items():
            yield name in known.marked or self.is_sensitive(name), value

    def _parameters(self, func: Callable[..., Any]) -> Parameters:
        try:
            return self._functions[func]
        except (KeyError, TypeError):  # new, or without hash or weak references
            found = parameters_of(func)
        try:
            self._functions[func] = found
        except TypeError:
            return found
        return found


_UNKNOWN = Parameters((), frozenset())


class _Findings:
    """One walk over arguments. ``secrets`` are those found so far, as text."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = _MOST_VALUES
        self.secrets: set[str] = set()

    def visit(self, value: Any, depth: int, *, secret: bool) -> None:
        self._left -= 1
        if self._left < 0 or depth >= _DEEPEST:
            return
        # First, because nearly all are: asking whether it is a model takes a microsecond.
        if type(value) in _ATOMS:
            if secret:
                self._take(value)
        else:
            self._enter(value, depth, secret=secret)

    def _enter(self, value: Any, depth: int, *, secret: bool) -> None:
        if isinstance(value, SecretStr | SecretBytes):
            self._take(value.get_secret_value())
        elif isinstance(value, dict):
            for key, one in value.items():
                named = isinstance(key, str) and self._redactor.is_sensitive(key)
                self.visit(one, depth + 1, secret=secret or named)
        elif isinstance(value, list | tuple | set | frozenset):
            for one in value:
                self.visit(one, depth + 1, secret=secret)
        elif (fields := values_of(value)) is not None:
            cls: type = type(value)
            marked = marked_fields(cls)
            for name, one in fields.items():
                named = name in marked or self._redactor.is_sensitive(name)
                self.visit(one, depth + 1, secret=secret or named)
        elif secret:
            self._take(value)

    def _take(self, value: Any) -> None:
        if value is None or isinstance(value, bool):
            return
        if isinstance(value, bytes | bytearray):
            self.secrets.add(repr(bytes(value))[2:-1])
            value = value.decode("utf-8", "replace")
        try:
            self.secrets.add(str(value))
        # The value's own code runs here; what cannot be written cannot leak as text either.
        except Exception:
            return


class _Fields:
    """A dataclass or model, written as Python would."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        self._name = name
        self._fields = fields

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return f"{self._name}({inside})"


class _Shown:
    """One argument, masked when it is written."""

    def __init__(self, value: Any, mask: Mask) -> None:
        self._value = value
        self._mask = mask

    def __repr__(self) -> str:
        return self._mask(repr(self._value))


def _words(name: str) -> str:
    """``" api key "`` for ``apiKey``, ``API_KEY`` and ``api-key``."""
    return f" {' '.join(_WORD.findall(name)).lower()} "
