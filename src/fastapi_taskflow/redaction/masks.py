"""Text without the secrets of one task.

Text is searched for the secret values themselves, as they are and as Python, JSON and URLs
write them; so what a task makes of a secret (a hash, half of it) is not recognised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from fastapi_taskflow.texts import clean

__all__ = ["MASK", "NO_MASK", "Mask"]

MASK = "[redacted]"

# A shorter value is in any text by chance; where its place is known it is masked all the same.
_LEAST_LENGTH = 4
# Of a secret in several lines each line is one, such as those of a private key.
_LEAST_LINE = 8


class Mask:
    """Replaces secrets in text. False if there are none."""

    __slots__ = ("_pattern",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first, so that no part of one is left behind.
        parts = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, parts))) if parts else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """Text masked; a value of another kind as masked text if it shows a secret."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self(value)
        try:
            text = repr(value)
        # The value's own code runs here, and it may not be shown unread.
        except Exception:
            return MASK
        masked = self(text)
        return value if masked == text else masked


NO_MASK = Mask()


def _forms(secret: str) -> Iterator[str]:
    pieces = [secret]
    lines = secret.splitlines()
    if len(lines) > 1:
        pieces += [line for line in map(str.strip, lines) if len(line) >= _LEAST_LINE]
    for piece in pieces:
        plain = piece.encode("utf-8", "replace").decode()
        for form in (
            piece,
            clean(piece),
            repr(piece)[1:-1],
            json.dumps(piece)[1:-1],
            json.dumps(piece, ensure_ascii=False)[1:-1],
            quote(plain, safe=""),
            quote_plus(plain),
        ):
            if len(form.strip()) >= _LEAST_LENGTH:
                yield form
