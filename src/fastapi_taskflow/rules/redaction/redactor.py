"""Finding the secrets among a call's arguments, and copies without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi_taskflow.rules.redaction.copies import Copying, Written
from fastapi_taskflow.rules.redaction.findings import Findings
from fastapi_taskflow.rules.redaction.judging import Judge
from fastapi_taskflow.rules.redaction.masks import MASK, NO_MASK, Mask
from fastapi_taskflow.words.texts import written

__all__ = ["Redactor"]


class Redactor:
    """What one manager hides from people. Never raises, whatever it is given to look at.

    Args:
        names: Beside `DEFAULT_NAMES`; see `Names`.

    Raises:
        ConfigurationError: something is no name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._judge = Judge(names)

    def is_sensitive(self, name: str) -> bool:
        """The name is one of a secret."""
        return name in self._judge.names

    def hides(self, func: Callable[..., Any], name: str) -> bool:
        """A parameter of this name is secret, whatever its value is."""
        return self._judge.hides(func, name)

    def mask_of(
        self, func: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Mask:
        """What hides the secrets among a call's arguments."""
        if not args and not kwargs:
            return NO_MASK
        found = Findings(self._judge)
        for secret, value in self._judge.arguments(func, args, kwargs):
            found.visit(value, secret=secret)
        return Mask(found.secrets) if found.secrets else NO_MASK

    def labels(self, tags: Mapping[str, str], mask: Mask) -> dict[str, str]:
        """Tags as they may be kept."""
        return {name: MASK if self.is_sensitive(name) else mask(v) for name, v in tags.items()}

    def details(self, details: Mapping[str, Any], mask: Mask = NO_MASK) -> dict[str, Any]:
        """The extra values of a log line, or the details of an act, as they may be kept."""
        copying = Copying(self._judge, mask)
        return {
            name: MASK if self.is_sensitive(name) else copying.copy(value)
            for name, value in details.items()
        }

    def secret_ones(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> list[bool]:
        """For each argument in order: some of it is secret, or there is too much to say."""
        found = []
        for secret, value in self._judge.arguments(func, args, kwargs):
            findings = Findings(self._judge)
            findings.visit(value, secret=secret)
            found.append(secret or bool(findings.secrets) or not findings.whole)
        return found

    def shown_result(
        self,
        func: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
    ) -> Written:
        """What a function gave for these arguments, to be written with ``repr``."""
        mask = self.mask_of(func, args, kwargs)
        return Written(written(Copying(self._judge, mask).copy(result)))

    def shown(
        self, func: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments to be written with ``repr``."""
        mask = self.mask_of(func, args, kwargs)
        shown = [
            Written(written(MASK if secret else Copying(self._judge, mask).copy(value)))
            for secret, value in self._judge.arguments(func, args, kwargs)
        ]
        return tuple(shown[: len(args)]), dict(zip(kwargs, shown[len(args) :], strict=True))
