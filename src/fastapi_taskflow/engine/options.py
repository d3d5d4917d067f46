"""What a caller may say of one task beside its arguments, and whether it can be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi_taskflow.errors import TaskArgumentError

__all__ = ["Options", "checked_key", "checked_tags"]

# What MySQL can index as text.
_KEY_LIMIT = 255


class Options(NamedTuple):
    """What a caller may say of one task beside its arguments. ``delay`` is in seconds."""

    idempotency_key: str | None = None
    tags: Mapping[str, str] | None = None
    priority: int | None = None
    queue: str | None = None
    delay: float = 0.0
    run_at: datetime | None = None
    source: str = "manual"
    retry_of: str | None = None
    replace_original: bool = False
    alias: bool = True

    def due(self, now: datetime) -> datetime | None:
        """When the task may start; None: at once."""
        return now + timedelta(seconds=self.delay) if self.delay else self.run_at


def checked_key(key: str | None) -> str | None:
    """The idempotency key.

    Raises:
        TaskArgumentError: not text, empty, or too long.
    """
    if key is not None and (not isinstance(key, str) or not 0 < len(key) <= _KEY_LIMIT):
        raise TaskArgumentError(f"idempotency_key takes 1 to {_KEY_LIMIT} characters, got {key!r}.")
    if key is not None:
        _check_text(key)
    return key


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """The tags, in a dictionary of their own.

    Raises:
        TaskArgumentError: a name or value that is not text.
    """
    if not tags:
        return {}
    if not isinstance(tags, Mapping):
        raise TaskArgumentError(f"tags take a mapping of text to text, got {tags!r}.")
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TaskArgumentError(
                f"tags take text to text, got {name!r}: {value!r}. Convert it with str()."
            )
        _check_text(name)
        _check_text(value)
    return dict(tags)


def _check_text(text: str) -> None:
    """Half a surrogate pair is text to Python and to no store."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise TaskArgumentError(
            f"{text!r} is not valid Unicode text and cannot be stored."
        ) from exc
