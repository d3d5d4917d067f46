"""What a caller may say of one task beside its arguments, and whether it can be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi_taskflow.errors import TaskArgumentError

__all__ = ["Options", "checked_key", "checked_tags"]

# What MySQL can index as text.
_KEY_LIMIT = 255
# SECURITY, exhaustion.
_MOST_TAGS = 16
_TAG_LIMIT = 128
_SHOWN = 40


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


def checked_key(task: str, key: str | None) -> str | None:
    """The idempotency key of one ``task``, which errors name.

    Raises:
        TaskArgumentError: not text, empty, or too long.
    """
    if key is not None and (not isinstance(key, str) or not 0 < len(key) <= _KEY_LIMIT):
        found = f"{len(key)} characters" if isinstance(key, str) else repr(key)
        raise TaskArgumentError(
            f"Task {task!r}: idempotency_key takes 1 to {_KEY_LIMIT} characters, got {found}. Use "
            "a digest of what makes the request unique."
        )
    if key is not None:
        _check_text(task, key)
    return key


def checked_tags(task: str, tags: Mapping[str, str] | None) -> dict[str, str]:
    """The tags of one ``task``, in a dictionary of their own.

    Raises:
        TaskArgumentError: more than 16 tags, a name or value that is not text, or one of more
            than 128 characters.
    """
    if not tags:
        return {}
    if not isinstance(tags, Mapping):
        raise TaskArgumentError(
            f"Task {task!r}: tags take a mapping of text to text, got {tags!r}."
        )
    if len(tags) > _MOST_TAGS:
        raise TaskArgumentError(
            f"Task {task!r}: at most {_MOST_TAGS} tags fit, got {len(tags)}. Give what is more as "
            "arguments."
        )
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TaskArgumentError(
                f"Task {task!r}: tags take text to text, got {name!r}: {value!r}. Convert it with "
                "str()."
            )
        for text in (name, value):
            if len(text) > _TAG_LIMIT:
                raise TaskArgumentError(
                    f"Task {task!r}: names and values of tags take at most {_TAG_LIMIT} "
                    f"characters, got {len(text)}: {text[:_SHOWN]!r}... Give long values as "
                    "arguments."
                )
            _check_text(task, text)
    return dict(tags)


def _check_text(task: str, text: str) -> None:
    """Half a surrogate pair is text to Python and to no store."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise TaskArgumentError(
            f"Task {task!r}: {text[:_SHOWN]!r} is not valid Unicode text and cannot be stored."
        ) from exc
