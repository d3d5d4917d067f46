"""Lines of a task's log: text, with a level beside it that the text does not show.

A line of the level "info" is a plain string; one of another level is a `LogLine`, which is equal
to that string. So a level goes wherever its line goes: into a log that loses its older half, in
the order of several writers. Stores keep it as a letter before the text, see `packed`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from fastapi_taskflow.words.limits import wrong

__all__ = [
    "LEVELS",
    "LogEntry",
    "LogLine",
    "dropped_lines",
    "dropped_mark",
    "entries",
    "is_line",
    "levelled",
    "packed",
    "unpacked",
]

LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
"""Levels that `task_log` takes, with their numbers in `logging`; lowest first."""

_PLAIN = "info"
_LETTERS = {name: name[0].upper() for name in LEVELS}
_NAMES = {letter: name for name, letter in _LETTERS.items()}

_DATED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) (.*)", re.ASCII | re.DOTALL)
# Lines of tasks begin with their time, so none of them can look like this.
_DROPPED = re.compile(r"--- (\d+) earlier lines were dropped ---")


class LogLine(str):
    """A line of a task's log that has another level than "info"."""

    __slots__ = ("level",)
    level: str

    def __new__(cls, text: str, level: str) -> Self:
        line = super().__new__(cls, text)
        line.level = level
        return line

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.level


class LogEntry(NamedTuple):
    """A line of a task's log in its parts.

    Attributes:
        number: From 1; lines that were dropped count. Where some were, the mark that says so has
            the number of the last of them.
        timestamp: In UTC, to the second; None for a mark.
        level: One of "debug", "info", "warning", "error" and "critical"; None for a mark, which
            the library writes between the lines of two attempts, and where lines were dropped.
        message: Without the time.
    """

    number: int
    timestamp: datetime | None
    level: str | None
    message: str


def levelled(line: str, level: str) -> str:
    """The line with one of `LEVELS`."""
    return line if level == _PLAIN else LogLine(line, level)


def is_line(value: object) -> bool:
    """A value that a log may hold, and no string of a class of the user's own."""
    return type(value) is str or type(value) is LogLine


def packed(lines: Iterable[str]) -> list[str]:
    """Lines as stores keep them.

    A letter before the text says the level. A line of "info" has none, unless it would be taken
    for one with: so what was stored before there were levels reads as it did.
    """
    return [_packed(line) for line in lines]


def _packed(line: str) -> str:
    if type(line) is LogLine:
        return f"{_LETTERS[line.level]}{line}"
    return f"I{line}" if line[:1] in _NAMES else line


def unpacked(texts: Iterable[str]) -> list[str]:
    """The lines that `packed` made these of."""
    return [_unpacked(text) for text in texts]


def _unpacked(text: str) -> str:
    level = _NAMES.get(text[:1])
    return text if level is None else levelled(text[1:], level)


def dropped_mark(count: int) -> str:
    """The first line of a log that has lost so many."""
    return f"--- {count} earlier lines were dropped ---"


def dropped_lines(logs: Sequence[str]) -> int:
    """How many lines of a log went; where any did, its first line says so."""
    found = _DROPPED.fullmatch(logs[0]) if logs else None
    return int(found[1]) if found else 0


def entries(logs: Sequence[str], *, min_level: str = "debug") -> list[LogEntry]:
    """The lines of a log in their parts, those of at least a level, and all marks.

    Raises:
        ConfigurationError: there is no such level.
    """
    least = LEVELS.get(min_level)
    if least is None:
        raise wrong("min_level", f"one of {', '.join(LEVELS)}", min_level)
    return [
        entry for entry in _entries(logs) if entry.level is None or LEVELS[entry.level] >= least
    ]


def _entries(logs: Sequence[str]) -> Iterator[LogEntry]:
    for number, line in enumerate(logs, dropped_lines(logs) or 1):
        level = line.level if type(line) is LogLine else None
        dated = _parted(line)
        if dated is None:
            yield LogEntry(number, None, level, str(line))
        else:
            yield LogEntry(number, dated[0], level or _PLAIN, dated[1])


def _parted(line: str) -> tuple[datetime, str] | None:
    found = _DATED.fullmatch(line)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC), found[2]
    except ValueError:  # looks like a time, and is none
        return None
