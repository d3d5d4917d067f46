"""The list of tasks as a file for spreadsheets, written while it is read: page after page."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from io import StringIO
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.filters import TaskChoice
from fastapi_taskflow.admin.api.routing import asked_for_head
from fastapi_taskflow.admin.api.schemas import encodable
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["COLUMNS", "ExportApi", "safe"]

COLUMNS = (
    *("task_id", "func_name", "title", "status", "queue", "priority", "source", "executor"),
    *("created_at", "start_time", "end_time", "duration", "retries_used", "error", "summary"),
    *("tags", "order_key", "batch_id", "retry_of", "retried_as", "instance"),
)
"""Of `TaskRecord.to_dict`. Arguments, results and log lines are in no list."""

# What is in memory at a time.
_PAGE = 200
# What spreadsheets take for the begin of a formula, in half and full width.
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_HEADERS = {"Content-Disposition": 'attachment; filename="tasks.csv"'}


class CsvResponse(StreamingResponse):
    """A file of comma-separated values with a line of names."""

    media_type = "text/csv"


class ExportApi(Routes):
    """The route that exports."""

    def add_to(self, add: Add) -> None:
        add("GET", "/export.csv", self.export, media=CsvResponse)

    async def export(
        self, request: Request, choice: Annotated[TaskChoice, Query()]
    ) -> StreamingResponse:
        """All tasks that match, newest first, as CSV (RFC 4180) with a line of names.

        Text that a spreadsheet would calculate has a `'` in front. A file that is cut off was not
        finished: the store stopped to answer.
        """
        first = await self._page(choice, None)
        if asked_for_head(request):
            return CsvResponse(iter(()), 200, _HEADERS)
        return CsvResponse(self._written(choice, *first), 200, _HEADERS)

    async def _page(
        self, choice: TaskChoice, cursor: str | None
    ) -> tuple[list[TaskRecord], str | None]:
        return await self._operations.search(choice.query(), limit=_PAGE, cursor=cursor)

    async def _written(
        self, choice: TaskChoice, records: list[TaskRecord], cursor: str | None
    ) -> AsyncIterator[str]:
        yield _lines([COLUMNS]) + _lines(map(_row, records))
        while cursor is not None:
            records, cursor = await self._page(choice, cursor)
            yield _lines(map(_row, records))


def _row(record: TaskRecord) -> Sequence[Any]:
    shown = record.to_dict()
    return [safe(shown[name]) for name in COLUMNS]


def safe(value: Any) -> Any:
    """A cell that is text, or a number, to every spreadsheet."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    if not isinstance(value, str):
        return value
    text = encodable(value)
    begins = text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA
    return f"'{text}" if begins else text


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    written = StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
