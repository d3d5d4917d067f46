"""What tasks hold that may be sealed, and putting it back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice

from fastapi_taskflow.backends.base import Content, ContentField, Contents, Rewrite, Rotation
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.words.loglines import packed, unpacked

__all__ = ["MemoryRotation"]

# Attributes of a row that are called like the field.
_OF_ROW = frozenset({"payload", "progress", "emitted", "result"})


class MemoryRotation(Rotation):
    """The contents of a table, behind its lock."""

    def __init__(self, table: Table, lock: threading.Lock) -> None:
        self._table = table
        self._lock = lock

    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        after = 0 if cursor is None else parse_cursor(cursor)
        with self._lock:
            return _contents(self._table, after, limit)

    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        with self._lock:
            return [_rewrite(self._table, change) for change in changes]


def _contents(table: Table, after: int, limit: int) -> Contents:
    rows = list(islice((row for row in table.rows.values() if row.seq > after), limit))
    found = [content for row in rows for content in _of_row(row)]
    return Contents(found, str(rows[-1].seq) if rows else None)


def _of_row(row: Row) -> list[Content]:
    task_id = row.task_id
    own = (
        (ContentField.PAYLOAD, row.payload),
        (ContentField.ERROR, row.record.error),
        (ContentField.STACKTRACE, row.record.stacktrace),
        (ContentField.PROGRESS, row.progress),
        (ContentField.EMITTED, row.emitted),
        (ContentField.RESULT, row.result),
        (ContentField.TITLE, row.record.title),
        (ContentField.SUMMARY, row.record.summary),
    )
    found = [Content(task_id, field, 0, value) for field, value in own if value]
    for number, attempt in enumerate(row.attempts or (), 1):
        history = (
            (ContentField.ERROR, attempt.error),
            (ContentField.STACKTRACE, attempt.stacktrace),
        )
        found += [Content(task_id, field, number, value) for field, value in history if value]
    lines = enumerate(packed(row.record.logs), 1)
    return found + [Content(task_id, ContentField.LOGS, n, (line,)) for n, line in lines]


def _rewrite(table: Table, change: Rewrite) -> bool:
    """One compare-and-set."""
    content, new = change
    row = table.rows.get(content.task_id)
    if row is None or content not in _of_row(row):
        return False
    number = content.number
    if content.field.value in _OF_ROW:
        setattr(row, content.field.value, new)
    elif isinstance(new, tuple):
        row.record.logs[number - 1 : number] = unpacked(new)
    elif isinstance(new, bytes):
        return False  # no text is replaced by bytes
    elif number and row.attempts is not None:
        attempt = row.attempts[number - 1]
        if content.field is ContentField.ERROR:
            row.attempts[number - 1] = attempt._replace(error=new)
        else:
            row.attempts[number - 1] = attempt._replace(stacktrace=new)
    else:
        setattr(row.record, content.field.value, new)
    return True
