"""Statement texts: built once, with the table prefix in place of ``@``; data never in them.

A batch is one statement with many rows, not many statements: each execution lets go of
the interpreter lock and has to win it back from a busy event loop. To keep the number of
texts small, and so SQLite's prepared programs in the cache, a text exists for each number
of rows up to 32, and then for each power of two only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Rows", "Texts", "checked_prefix"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# SQLite takes 32,766 parameters per statement; rows have at most 32.
_MOST_ROWS = 512
_EXACT_ROWS = 32


def checked_prefix(prefix: str) -> str:
    """The prefix, if tables may be named with it.

    Raises:
        ConfigurationError: it is not a plain identifier of at most 40 characters.
    """
    if (
        not isinstance(prefix, str)
        or not _IDENTIFIER.fullmatch(prefix)
        or prefix.lower().startswith("sqlite_")
    ):
        raise ConfigurationError(
            "table_prefix takes letters, digits and underscores (at most 40, no digit first, "
            f"not 'sqlite_'), got {quoted(prefix)}."
        )
    return prefix


class Texts(dict[str, str]):
    """Statements by their template: each ``@`` stands for the table prefix."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def __missing__(self, template: str) -> str:
        text = self[template] = template.replace("@", self.prefix)
        return text


class Rows:
    """A family of statements that differ in how many rows of parameters they take.

    Args:
        template: With ``{rows}`` where ``(?, ?), (?, ?)...`` goes.
        width: Parameters per row; 1 gives ``?, ?...`` without parentheses.
        padded: The statement does nothing for rows of NULL, so a batch may be filled up
            to the next power of two; otherwise it is cut into several statements.
    """

    def __init__(self, template: str, width: int, *, padded: bool = True) -> None:
        self._template = template
        self._row = "?" if width == 1 else f"({', '.join('?' * width)})"
        self._blank = (None,) * width
        self._padded = padded
        self._texts: dict[int, str] = {}

    def batches(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Statement templates and their parameters, for all rows in order."""
        done, total = 0, len(rows)
        while done < total:
            size = self._size(total - done)
            parameters = [value for row in rows[done : done + size] for value in row]
            done += size
            if done > total:
                parameters.extend(self._blank * (done - total))
            yield self._text(size), parameters

    def _size(self, left: int) -> int:
        if left <= _EXACT_ROWS:
            return left
        size = min(_MOST_ROWS, 1 << (left - 1).bit_length())
        return size if size <= left or self._padded else size >> 1

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            rows = ", ".join([self._row] * size)
            text = self._texts[size] = self._template.replace("{rows}", rows)
        return text
