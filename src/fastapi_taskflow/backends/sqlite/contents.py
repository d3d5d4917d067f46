"""What tasks hold that may be sealed, and putting it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi_taskflow.backends.base import Content, ContentField, Contents, Rewrite, Rotation
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.logs import read_lines
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["SqliteRotation"]

_OWN: list[ContentField] = [field for field in ContentField if field is not ContentField.LOGS]
_TASKS = (
    f"SELECT seq, id, {', '.join(field.value for field in _OWN)} FROM @tasks"  # noqa: S608
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
_ATTEMPTS = Rows(
    "SELECT task, id, error, stacktrace FROM @attempts WHERE task IN ({rows}) ORDER BY id", 1
)
_LOGS = Rows("SELECT task, id, lines FROM @logs WHERE task IN ({rows}) ORDER BY id", 1)

# A finish, a purge or another rotation that came between has changed the value or its row.
_OF_TASK = {
    field: f"UPDATE @tasks SET {field.value} = ?1 WHERE id = ?2 AND {field.value} IS ?4"  # noqa: S608
    for field in _OWN
}
_SEQ = "(SELECT seq FROM @tasks WHERE id = ?2)"
_NUMBERED = {
    ContentField.ERROR: (
        f"UPDATE @attempts SET error = ?1 WHERE task = {_SEQ} AND id = ?3 AND error IS ?4"  # noqa: S608
    ),
    ContentField.STACKTRACE: (
        f"UPDATE @attempts SET stacktrace = ?1 WHERE task = {_SEQ} AND id = ?3"  # noqa: S608
        " AND stacktrace IS ?4"
    ),
    ContentField.LOGS: (
        f"UPDATE @logs SET lines = ?1 WHERE task = {_SEQ} AND id = ?3 AND lines IS ?4"  # noqa: S608
    ),
}


class SqliteRotation(Rotation):
    """The contents of the tables of tasks, attempts and log lines."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def contents(self, *, limit: int, cursor: str | None = None) -> Contents:
        after = 0 if cursor is None else parse_cursor(cursor)
        return await self._handle.store.browser.read(_contents, after, limit)

    async def rewrite(self, changes: Sequence[Rewrite]) -> list[bool]:
        return await self._handle.batch(_rewrite, changes)


def _contents(session: Session, after: int, limit: int) -> Contents:
    rows = session.all(_TASKS, (after, limit))
    ids = {row[0]: row[1] for row in rows}
    found: list[Content] = []
    for _, task_id, *values in rows:
        own = zip(_OWN, values, strict=True)
        found += [Content(task_id, field, 0, value) for field, value in own if _holds(value)]
    for seq, number, error, stacktrace in session.find(_ATTEMPTS, list(ids)):
        history = _texts(error, stacktrace)
        found += [
            Content(ids[seq], field, number, value) for field, value in history if _holds(value)
        ]
    for seq, number, lines in session.find(_LOGS, list(ids)):
        # What is damaged stays as it is: it would not compare equal.
        found.append(Content(ids[seq], ContentField.LOGS, number, tuple(read_lines(lines))))
    return Contents(found, str(rows[-1][0]) if rows else None)


def _holds(value: Any) -> bool:
    """There is something, and of a kind that this library writes."""
    return isinstance(value, str | bytes) and bool(value)


def _texts(error: Any, stacktrace: Any) -> tuple[tuple[ContentField, Any], ...]:
    return (ContentField.ERROR, error), (ContentField.STACKTRACE, stacktrace)


def _rewrite(tx: Transaction, changes: Sequence[Rewrite]) -> list[bool]:
    return [_replace(tx, change) for change in changes]


def _replace(tx: Transaction, change: Rewrite) -> bool:
    """One compare-and-set."""
    content, new = change
    statement = (_NUMBERED if content.number else _OF_TASK)[content.field]
    values = (_stored(new), content.task_id, content.number, _stored(content.value))
    return tx.run(statement, values).rowcount == 1


def _stored(value: bytes | str | tuple[str, ...]) -> bytes | str:
    return json.dumps(list(value)) if isinstance(value, tuple) else value
