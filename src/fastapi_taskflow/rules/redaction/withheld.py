"""What stands in for a mask where nobody knows what is secret."""

from __future__ import annotations

from fastapi_taskflow.rules.redaction.masks import MASK, Mask

__all__ = ["WITHHELD"]


class _Withheld(Mask):
    """Hides all text: the arguments could not be searched, and any of it may be of them."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: str) -> str:
        return MASK

    def part(self, text: str, start: int, stop: int) -> str:
        return MASK


WITHHELD = _Withheld()
