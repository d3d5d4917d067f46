"""What a task's function tells beside its log: progress, a summary, the newest it emits."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import NamedTuple

from fastapi_taskflow.rules.telling import emitted_of, emitted_text, progress_text
from fastapi_taskflow.words.said import Progress

__all__ = ["News", "Told"]

_MOST_VALUES = 100
_MOST_BYTES = 65_536


class Told(NamedTuple):
    """What is new for the store; None: nothing."""

    progress: str | None = None
    emitted: str | None = None
    summary: str | None = None


class News:
    """Of one task, from the first here. Told from any thread.

    Args:
        emitted: What was stored of earlier attempts; their numbers go on.
    """

    # Protected by `_lock`. Invariant: what is not in `_unsent` is stored, or on its way.
    __slots__ = ("_first", "_lock", "_progress", "_size", "_summary", "_told", "_unsent", "_values")

    def __init__(self, emitted: str | None = None) -> None:
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._summary: str | None = None
        self._first, values = emitted_of(emitted)
        self._values = deque(map(json.dumps, values))
        self._size = sum(map(len, self._values))
        self._unsent: set[str] = set()
        self._told = False

    def advance(self, progress: Progress) -> bool:
        """The latest progress. True: somebody has to be told that there is news."""
        with self._lock:
            self._progress = progress
            return self._tell("progress")

    def sum_up(self, text: str) -> bool:
        """The latest summary. True as for `advance`."""
        with self._lock:
            self._summary = text
            return self._tell("summary")

    def emit(self, value: str) -> bool:
        """A value, as JSON; the oldest of too many go. True as for `advance`."""
        with self._lock:
            self._values.append(value)
            self._size += len(value)
            while len(self._values) > _MOST_VALUES or self._size > _MOST_BYTES:
                self._size -= len(self._values.popleft())
                self._first += 1
            return self._tell("emitted")

    def _tell(self, what: str) -> bool:
        self._unsent.add(what)
        first, self._told = not self._told, True
        return first

    @property
    def emitted(self) -> str | None:
        """All of it that is kept."""
        with self._lock:
            return emitted_text(self._first, self._values) if self._values else None

    def take(self, *, last: bool = False) -> Told:
        """What was not handed out yet.

        Args:
            last: With progress and summary in any case: what was handed out may come too late.
        """
        with self._lock:
            self._told = False
            unsent, self._unsent = self._unsent, set()
            progress = self._progress
            return Told(
                progress_text(progress) if progress and (last or "progress" in unsent) else None,
                emitted_text(self._first, self._values) if "emitted" in unsent else None,
                self._summary if last or "summary" in unsent else None,
            )

    def give_back(self, told: Told) -> None:
        """The store did not take it; the next `take` has it again."""
        with self._lock:
            self._unsent |= {name for name, text in told._asdict().items() if text is not None}
