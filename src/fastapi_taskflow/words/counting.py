"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["plural"]


def plural(count: int, noun: str) -> str:
    """The number with its noun: ``1 task``, ``2 tasks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
