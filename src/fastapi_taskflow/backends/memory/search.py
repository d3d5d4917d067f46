"""Filters and pages over the rows, newest first."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi_taskflow.backends.base import ENDING_LENGTH, Page, Query, StoredTask, weight
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.rules.looking import ENDINGS_WITHIN, ERRORS_WITHIN, parse_cursor
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["count", "search", "shown"]


def shown(row: Row | None, task_id: str) -> StoredTask | None:
    """A row under the id that was asked for, which may be an alias."""
    if row is None:
        return None
    return row.stored(alias=None if row.task_id == task_id else task_id)


def search(
    rows: dict[str, Row], query: Query, limit: int, cursor: str | None, most_bytes: int | None
) -> Page:
    """One page. The cursor is the arrival number of the last task shown.

    Raises:
        ValueError: the cursor is not such a number.
    """
    before = None if cursor is None else parse_cursor(cursor)
    whole = most_bytes is not None
    room = most_bytes or 0
    found: list[StoredTask] = []
    last = cursor
    for row in _matching(rows, query):
        if before is not None and row.seq >= before:
            continue
        if len(found) == limit:
            return Page(found, last)
        task = row.stored(whole=whole)._replace(payload=None, arguments=None)
        room -= weight(task.record)
        if whole and room < 0 and found:
            return Page(found, last)
        found.append(task)
        last = str(row.seq)
    return Page(found, None)


def count(rows: dict[str, Row], query: Query, cap: int) -> int:
    """How many match, at most ``cap``."""
    total = 0
    for _ in _matching(rows, query):
        if total >= cap:
            break
        total += 1
    return total


def _matching(rows: dict[str, Row], query: Query) -> Iterator[Row]:
    for rank, row in enumerate(reversed(rows.values())):
        if rank == ENDINGS_WITHIN and query.ending is not None:
            return
        if _matches(row, query, rank):
            yield row


def _matches(row: Row, query: Query, rank: int) -> bool:
    try:
        return _fits(row, row.record, query, rank)
    # The app has put into its record what cannot be looked at.
    except Exception:
        return row.shared and _fits(row, row.read(), query, rank)


def _fits(row: Row, record: TaskRecord, query: Query, rank: int) -> bool:
    return (
        (not query.statuses or row.status in query.statuses)
        and (query.func_name is None or row.family.func_name == query.func_name)
        and (query.queue is None or record.queue == query.queue)
        and (query.source is None or record.source == query.source)
        and (query.since is None or record.created_at >= query.since)
        and (query.until is None or record.created_at < query.until)
        and (query.tag is None or record.tags.get(query.tag[0]) == query.tag[1])
        and (query.text is None or _speaks_of(row, record, query.text, rank))
        and (query.batch_id is None or _is_of(row, query.batch_id))
        and (query.order_key is None or record.order_key == query.order_key)
        and (query.failure is None or record.failure == query.failure)
        and (query.retried is None or query.retried is (record.retried_as is not None))
        and (query.ending is None or _ends_in(row, query.ending))
    )


def _is_of(row: Row, batch_id: str) -> bool:
    return row.member is not None and row.member.batch_id == batch_id


def _speaks_of(row: Row, record: TaskRecord, text: str, rank: int) -> bool:
    return (
        row.task_id.startswith(text)
        or row.family.func_name.startswith(text)
        or text in record.tags.values()
        or (rank < ERRORS_WITHIN and _tells(record, text))
        or (rank < ENDINGS_WITHIN and len(text) == ENDING_LENGTH and _ends_in(row, text))
    )


def _tells(record: TaskRecord, text: str) -> bool:
    return any(
        one is not None and text in one for one in (record.error, record.title, record.summary)
    )


def _ends_in(row: Row, ending: str) -> bool:
    ids = (row.task_id, *(row.aliases or ()))
    return any(task_id[-ENDING_LENGTH:] == ending for task_id in ids)
