"""A connection as the verbs see it: templates in, rows out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from fastapi_taskflow.backends.sqlite.statements import Rows, Texts

__all__ = ["Session"]

# How the driver's message begins; it gives no code.
_UNDECODABLE = "Could not decode to UTF-8"


class Session:
    """Executes statement templates on one connection; for one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, texts: Texts) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._texts = texts
        self._streams: list[sqlite3.Cursor] = []

    def close(self) -> None:
        """Let go of the connection: a statement that is not read to its end keeps it open,
        files and all, as long as somebody keeps an exception that was raised meanwhile.
        """
        for cursor in (self._cursor, *self._streams):
            with suppress(sqlite3.Error):
                cursor.close()

    def run(self, template: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement. The next `run` ends the cursor that this one returned."""
        try:
            return self._cursor.execute(self._texts[template], parameters)
        except UnicodeEncodeError:
            return self._cursor.execute(self._texts[template], _encodable(parameters))

    def all(self, template: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of one query. Bytes that are no UTF-8 are read as question marks."""
        try:
            return self.run(template, parameters).fetchall()
        except sqlite3.OperationalError as exc:
            if not str(exc).startswith(_UNDECODABLE):
                raise
        self._connection.text_factory = _decoded
        try:
            return self.run(template, parameters).fetchall()
        finally:
            self._connection.text_factory = str

    def one(self, template: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row of one query, or None. Let the query ask for no more than that."""
        return next(iter(self.all(template, parameters)), None)

    def find(self, rows: Rows, values: Sequence[Any]) -> Iterator[Any]:
        """Rows of a query of one column of values, such as ids; in no order."""
        for template, parameters in rows.batches([(value,) for value in values]):
            yield from self.all(template, parameters)

    def stream(self, template: str, parameters: Sequence[Any]) -> Iterator[Any]:
        """Rows of a query, read as they are asked for; end it before anything is written."""
        cursor = self._connection.execute(self._texts[template], parameters)
        self._streams.append(cursor)
        return cursor


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _encodable(parameters: Sequence[Any]) -> list[Any]:
    """Parameters without lone surrogates, which UTF-8 cannot hold: an error text, say."""
    return [
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for value in parameters
    ]
