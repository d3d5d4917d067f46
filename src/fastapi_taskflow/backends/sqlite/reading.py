"""Reads: tasks by id, pages, counts. They run on connections of their own, beside writes."""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from fastapi_taskflow.backends.base import (
    Attempt,
    Claimed,
    Page,
    Query,
    StoredTask,
    Tally,
    weight,
)
from fastapi_taskflow.backends.rules.looking import parse_cursor
from fastapi_taskflow.backends.sqlite.filters import filters
from fastapi_taskflow.backends.sqlite.history import attempts_of
from fastapi_taskflow.backends.sqlite.logs import logs_of
from fastapi_taskflow.backends.sqlite.rows import BRIEF, FULL, ID, SEQ, claimed, stored
from fastapi_taskflow.backends.sqlite.schema import STATES
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows

__all__ = [
    "NEWEST",
    "attempts",
    "count",
    "get",
    "owned",
    "parsed_cursor",
    "search",
    "tally",
]

NEWEST = 2**63 - 1
"""As a cursor: from the newest on."""

_GET = Rows(f"SELECT {FULL} FROM @tasks AS t WHERE t.id IN ({{rows}})", 1)
_ALIASES = Rows("SELECT id, task_id FROM @aliases WHERE id IN ({rows})", 1)
_OWNED = f"SELECT {FULL} FROM @tasks AS t WHERE t.owner = ? AND t.state IN (0, 1) ORDER BY t.seq"
_SEQ = (
    "SELECT seq FROM @tasks WHERE id = coalesce((SELECT task_id FROM @aliases WHERE id = ?1), ?1)"
)
_TALLY = (
    "SELECT queue, func, state, rows, ended, seconds FROM @counters"
    " WHERE state >= 0 AND (rows <> 0 OR ended <> 0)"
)
_CELL = (str, str, int, int, float)
_KNOWN = frozenset(range(len(STATES)))
_STACKTRACES = Rows("SELECT seq, stacktrace FROM @tasks WHERE seq IN ({rows})", 1)
# Tasks whose logs are read together: about 4 MB at most.
_WHOLE = 16


def parsed_cursor(cursor: str | None) -> int:
    """The number in a cursor, `NEWEST` for none.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    return NEWEST if cursor is None else parse_cursor(cursor)


def get(session: Session, ids: Sequence[str]) -> list[StoredTask | None]:
    """Tasks by id or alias, see `Backend.get`."""
    found = {row[ID]: row for row in session.find(_GET, ids)}
    missing = [one for one in ids if one not in found]
    aliases = dict(session.find(_ALIASES, missing)) if missing else {}
    if aliases:
        found.update((row[ID], row) for row in session.find(_GET, list(aliases.values())))
    logs = logs_of(session, [row[SEQ] for row in found.values()])
    answers: list[StoredTask | None] = []
    for one in ids:
        row = found.get(aliases.get(one, one))
        if row is None:
            answers.append(None)
            continue
        task = stored(row, logs.get(row[SEQ]))
        if one in aliases:
            task.record.duplicate_of, task.record.task_id = row[ID], one
        answers.append(task)
    return answers


def owned(session: Session, instance: str) -> list[Claimed]:
    """Live tasks that an instance holds, see `Backend.owned`."""
    rows = session.all(_OWNED, (instance,))
    logs = logs_of(session, [row[SEQ] for row in rows])
    return [claimed(row, logs.get(row[SEQ])) for row in rows]


def attempts(session: Session, task_id: str) -> list[Attempt]:
    """The history of a task, see `Backend.attempts`."""
    row = session.one(_SEQ, (task_id,))
    return [] if row is None else attempts_of(session, row[0])


def search(
    session: Session, query: Query, limit: int, before: int, most_bytes: int | None = None
) -> Page:
    """One page of tasks older than number ``before``, see `Backend.search`."""
    rows: list[Any] = []
    for one in filters(query):
        template = (
            f"SELECT {BRIEF} FROM {one.source} WHERE {one.condition} AND {one.seq} < ?"
            f" ORDER BY {one.seq} DESC LIMIT ?"
        )
        rows += session.all(template, [*one.parameters, before, limit + 1])
    rows.sort(key=itemgetter(SEQ), reverse=True)
    page = rows[:limit]
    if most_bytes is None:
        tasks = [stored(row) for row in page]
    else:
        tasks = _whole(session, page, most_bytes)
    last = page[len(tasks) - 1][SEQ] if tasks else before
    return Page(tasks, str(last) if len(rows) > len(tasks) else None)


def _whole(session: Session, rows: Sequence[Any], room: int) -> list[StoredTask]:
    """The first of these tasks with logs and stack traces, as many as there is room for."""
    tasks: list[StoredTask] = []
    for begin in range(0, len(rows), _WHOLE):
        some = rows[begin : begin + _WHOLE]
        logs = logs_of(session, [row[SEQ] for row in some])
        stacktraces = dict(session.find(_STACKTRACES, [row[SEQ] for row in some]))
        for row in some:
            task = stored(row, logs.get(row[SEQ]))
            task.record.stacktrace = stacktraces.get(row[SEQ])
            room -= weight(task.record)
            if room < 0 and tasks:
                return tasks
            tasks.append(task)
    return tasks


def count(session: Session, query: Query, cap: int) -> int:
    """How many tasks match, at most ``cap``; see `Backend.count`."""
    if query == Query(statuses=query.statuses, func_name=query.func_name, queue=query.queue):
        return min(cap, sum(cell.rows for cell in tally(session) if _counts(cell, query)))
    total = 0
    for one in filters(query):
        template = (
            f"SELECT count(*) FROM (SELECT 1 FROM {one.source} WHERE {one.condition} LIMIT ?)"
        )
        total += session.one(template, [*one.parameters, cap])[0]
    return min(cap, total)


def _counts(cell: Tally, query: Query) -> bool:
    return (
        (not query.statuses or cell.status in query.statuses)
        and query.func_name in (None, cell.func_name)
        and query.queue in (None, cell.queue)
    )


def tally(session: Session) -> list[Tally]:
    """All counters that are not zero, see `Backend.tally`."""
    return [
        Tally(queue, func, STATES[state], rows, ended, seconds)
        for queue, func, state, rows, ended, seconds in session.all(_TALLY)
        # A damaged cell counts nothing.
        if tuple(map(type, (queue, func, rows, ended, seconds))) == _CELL and state in _KNOWN
    ]
