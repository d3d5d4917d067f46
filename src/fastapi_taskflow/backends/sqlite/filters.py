"""Queries as SQL: which index finds the newest matching tasks without a walk through history.

SQLite keeps no statistics that we could rely on, so the index is named. Each list is asked
for one state at a time: the rows of one state stand in order of arrival in its index, those
of several do not.
"""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi_taskflow.backends.base import ENDING_LENGTH, Query
from fastapi_taskflow.backends.rules.looking import ENDINGS_WITHIN, ERRORS_WITHIN
from fastapi_taskflow.backends.sqlite.schema import CODES, STATES
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Filter", "filters"]

_PENDING = CODES[TaskStatus.PENDING]
_RUNNING = CODES[TaskStatus.RUNNING]
_SUCCESS = CODES[TaskStatus.SUCCESS]
_DEFAULT_QUEUE = "default"
_DEFAULT_SOURCE = "manual"
_LAST_CHARACTER = "\U0010ffff"

_TEXT = (
    "t.seq IN (SELECT seq FROM @tasks WHERE id >= ? AND id <= ?"
    " UNION ALL SELECT seq FROM @tasks WHERE func >= ? AND func <= ?"
    " UNION ALL SELECT task FROM @tags WHERE value = ?"
    " UNION ALL SELECT seq FROM (SELECT seq, error, title, summary FROM @tasks"
    f" ORDER BY seq DESC LIMIT {ERRORS_WITHIN})"
    " WHERE instr(error, ?) > 0 OR instr(title, ?) > 0 OR instr(summary, ?) > 0)"
)

# The index of ids, which are ordered by time, has all that this reads.
_ENDING = (
    "t.seq IN (SELECT seq FROM (SELECT seq, id FROM @tasks ORDER BY id DESC"
    f" LIMIT {ENDINGS_WITHIN}) WHERE substr(id, -8) = ?"
    " UNION ALL SELECT o.seq FROM (SELECT id, task_id FROM @aliases ORDER BY id DESC"
    f" LIMIT {ENDINGS_WITHIN}) AS a JOIN @tasks AS o ON o.id = a.task_id"
    " WHERE substr(a.id, -8) = ?)"
)

_FAILURE = "failure", "t.failure IS NOT NULL"
_UNRETRIED = "unretried", "t.failure IS NOT NULL AND t.retried_as IS NULL"
# Of what few tasks share: narrower than any other.
_OWN = {
    "failure": _FAILURE,
    "batch_id": ("batch", "t.batch_id IS NOT NULL"),
    "order_key": ("key", "t.order_key IS NOT NULL"),
}


def filters(query: Query) -> Iterator[Filter]:
    """Filters that together match what the query matches, and no task twice."""
    every = not query.statuses or len(query.statuses) == len(STATES)
    # The index of keys is in order of arrival within each state alone.
    if every and query.order_key is None:
        yield Filter(query, None)
    else:
        for status in STATES if every else query.statuses:
            yield Filter(query, CODES[status])


class Filter:
    """A query for one state, or for all of them.

    Attributes:
        source: What follows FROM; the task table is called ``t``.
        condition: What follows WHERE.
        parameters: Of the condition, in its order.
        seq: The column to page by.
    """

    def __init__(self, query: Query, state: int | None) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Any] = []
        self.seq = "t.seq"
        self.source = "@tasks AS t"
        if query.tag is not None:
            key, value = query.tag
            self.source, self.seq = "@tags AS g CROSS JOIN @tasks AS t", "g.task"
            self._where("g.value = ? AND g.key = ? AND t.seq = g.task", value, key)
        elif (index := _index(query, state)) is not None:
            name, condition = index
            self.source = f"@tasks AS t INDEXED BY @tasks_{name}"
            self._where(condition)
        if state is not None:
            # A literal: partial indexes are matched with literals only.
            self._where(f"t.state = {state}")
        self._fields(query)

    @property
    def condition(self) -> str:
        return " AND ".join(self._conditions) or "1"

    def _where(self, condition: str, *parameters: Any) -> None:
        self._conditions.append(condition)
        self.parameters.extend(parameters)

    def _fields(self, query: Query) -> None:
        for column, value in (
            ("func", query.func_name),
            ("queue", query.queue),
            ("source", query.source),
            ("batch_id", query.batch_id),
            ("order_key", query.order_key),
            ("failure", query.failure),
        ):
            if value is not None:
                self._where(f"t.{column} = ?", value)
        if query.retried is not None:
            self._where(f"t.retried_as IS {'NOT ' * query.retried}NULL")
        if query.since is not None:
            self._where("t.created_at >= ?", to_micros(query.since))
        if query.until is not None:
            self._where("t.created_at < ?", to_micros(query.until))
        if query.text:
            text, last = query.text, query.text + _LAST_CHARACTER
            matching: list[Any] = [text, last, text, last, *([text] * 4)]
            if len(text) == ENDING_LENGTH:
                self._where(f"({_TEXT} OR {_ENDING})", *matching, text, text)
            else:
                self._where(_TEXT, *matching)
        if query.ending is not None:
            self._where(_ENDING, query.ending, query.ending)


def _index(query: Query, state: int | None) -> tuple[str, str] | None:
    """The index to walk, and what its WHERE says; None for the table in order of arrival."""
    for name, own in _OWN.items():
        if getattr(query, name) is not None:
            return _UNRETRIED if own is _FAILURE and query.retried is False else own
    found = None
    unsuccessful = state is not None and state > _SUCCESS
    if state == _PENDING:
        found = "live", "t.state < 2 AND t.end_at IS NULL"
    elif state == _RUNNING:
        found = "held", "t.owner IS NOT NULL"
    elif query.func_name is not None:
        found = ("unsuccessful", "t.state > 2") if unsuccessful else ("func", "1")
    elif unsuccessful:
        found = "ended", "t.state >= 2"
    elif query.queue not in (None, _DEFAULT_QUEUE):
        found = "queue", f"t.queue <> '{_DEFAULT_QUEUE}'"
    elif query.source not in (None, _DEFAULT_SOURCE):
        found = "source", f"t.source <> '{_DEFAULT_SOURCE}'"
    elif state == _SUCCESS:
        found = "ended", "t.state >= 2"
    return found
