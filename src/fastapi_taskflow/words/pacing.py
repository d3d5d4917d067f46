"""Spans that calls of a function keep: which key in the store stands for one.

A throttled task holds an idempotency key of its own kind: from its acceptance on, and for the
span from its first start. So what a store does with keys is all it needs.
"""

from __future__ import annotations

__all__ = ["BURST_SPANS", "THROTTLE", "is_throttle"]

THROTTLE = "throttle="
"""How such a key begins; no caller's own does."""

BURST_SPANS = 10
"""A debounced task is put off for no more than so many spans after the first call."""


def is_throttle(key: str | None) -> bool:
    """The idempotency key is a throttled task's."""
    return key is not None and key.startswith(THROTTLE)
