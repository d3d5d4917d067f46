"""The part of the storage port that a change of encryption keys needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

__all__ = ["Content", "ContentField", "Contents", "Rewrite", "Rotation"]


class ContentField(Enum):
    """Where in a task a content is."""

    PAYLOAD = "payload"
    ERROR = "error"
    STACKTRACE = "stacktrace"
    LOGS = "logs"
    PROGRESS = "progress"
    EMITTED = "emitted"
    RESULT = "result"
    TITLE = "title"
    SUMMARY = "summary"


class Content(NamedTuple):
    """One value that a task holds; never empty.

    ``number`` is 0 for the task's own, else it names one of its attempts or of its writes
    of log lines. Payloads and results are bytes, log lines a
    tuple of texts as `words.loglines.packed` makes them, the others text.
    """

    task_id: str
    field: ContentField
    number: int
    value: bytes | str | tuple[str, ...]


class Contents(NamedTuple):
    """The contents of some tasks, and where those of the next begin (None: no more tasks)."""

    found: list[Content]
    cursor: str | None


class Rewrite(NamedTuple):
    """A content as it was read, and what to put in its place."""

    content: Content
    value: bytes | str | tuple[str, ...]


class Rotation(ABC):
    """Everything sealed, as it is stored, to be sealed anew."""

    @abstractmethod
    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        """Everything that up to ``limit`` tasks hold, in order of arrival, as it is stored.

        Raises:
            ValueError: the cursor is not one of this backend's.
        """

    @abstractmethod
    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        """Replace contents. False where the value is not the one given any more, or is gone.

        Nothing else of the task changes, and nobody is told.
        """
