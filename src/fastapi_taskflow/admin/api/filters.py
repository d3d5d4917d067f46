"""Which tasks a list shows: query parameters, checked, and as the store's `Query`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from fastapi_taskflow.admin.api.problems import bad_query
from fastapi_taskflow.admin.api.schemas import Model
from fastapi_taskflow.admin.auth.refusals import BadValue
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskStatus

__all__ = [
    "AuditFilters",
    "AuditLook",
    "BatchPage",
    "FailedFilters",
    "FailureFilters",
    "HistorySpan",
    "ListFilters",
    "MetricsFilters",
    "SchedulePage",
    "Tag",
    "TaskChoice",
    "TaskFilters",
    "Text",
    "parse_moment",
    "single_values",
]

_SPAN = re.compile(r"([0-9]{1,4})([smhdw])", re.ASCII)
_PLAIN = re.compile(r"^[^\x00-\x1f\x7f]+$")
_TAG = re.compile(r"^[^:\x00-\x1f]+:[^\x00-\x1f]*$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPANS = {"min": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
# `+` of an offset that the client did not escape arrives as a space.
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)", re.ASCII)
_MANY_VALUES = frozenset({"status", "view"})


def _in_words(pattern: re.Pattern[str], expected: str) -> BeforeValidator:
    """Says what the pattern of a field means, to people who did not ask for a pattern."""

    def check(text: Any) -> Any:
        if isinstance(text, str) and text and not pattern.fullmatch(text):
            raise PydanticCustomError("form", "Expected {expected}", {"expected": expected})
        return text

    return BeforeValidator(check)


# No text that any store or page keeps holds control characters.
Text = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=_PLAIN.pattern),
    _in_words(_PLAIN, "text without control characters"),
]
Tag = Annotated[
    str,
    Field(max_length=512, pattern=_TAG.pattern),
    _in_words(_TAG, "key:value, such as customer:42"),
]


def parse_moment(text: Any) -> datetime:
    """An instant: ISO 8601 (UTC where it has no offset), or a span back from now."""
    if isinstance(text, datetime):
        return text
    try:
        if span := _SPAN.fullmatch(text):
            return SYSTEM_CLOCK.now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
        moment = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError(
            "moment",
            "Expected an ISO 8601 date and time, such as 2026-11-01T12:00:00Z, or a span back "
            "from now, such as 90s, 15m, 6h, 7d or 2w",
        ) from None


_MOMENTS = [
    {"type": "string", "format": "date-time"},
    {"type": "string", "pattern": "^[0-9]{1,4}[smhdw]$"},
]

Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema(
        {
            "anyOf": _MOMENTS,
            "description": "ISO 8601, UTC where it has no offset; or a span back from now: "
            "90s, 15m, 6h, 7d, 2w",
            "examples": ["2026-11-01T12:00:00Z", "6h"],
        }
    ),
]


class _Page(Model):
    limit: int = Field(100, ge=1, le=1000)
    cursor: Text | None = Field(None, description="From the Link header of an earlier page")


class AuditFilters(_Page):
    """A page of the audit."""


class AuditLook(Model):
    """How far a look at the audit goes back."""

    most: int = Field(1000, ge=1, le=10_000, description="Entries, the newest")


class SchedulePage(_Page):
    """A page of the schedules."""


class BatchPage(_Page):
    """A page of the batches."""


class HistorySpan(Model):
    """How long ago a task must have ended."""

    value: int = Field(ge=1, le=36_500)
    unit: Text = Field(json_schema_extra={"enum": list(_SPANS)})

    def span(self) -> timedelta:
        """The same as a span."""
        if self.unit not in _SPANS:
            raise BadValue(f"unit takes one of {', '.join(_SPANS)}, got {self.unit!r}.")
        return self.value * _SPANS[self.unit]


class MetricsFilters(Model):
    """Which tasks are counted, and whether by time."""

    bucket: Literal["minute", "5min", "hour", "day"] | None = Field(
        None, description="Also show how many ended in each span of this length, in UTC"
    )
    since: Moment | None = Field(
        None,
        description="Of the first bucket; 750 buckets at most. Left out: 1 hour of minutes, "
        "6 hours of 5 minutes, 2 days of hours or 30 days",
    )
    until: Moment | None = Field(None, description="Of the last bucket; left out: now")
    func_name: Text | None = Field(None, description="Of this function only")


class FailedFilters(Model):
    """Which tasks that failed or were interrupted."""

    since: Annotated[Text, WithJsonSchema({"anyOf": [*_MOMENTS, {"const": "all"}]})] = Field(
        "6h",
        description="Added at or after: a span back from now (90s, 15m, 6h, 7d, 2w), ISO 8601, "
        "or `all`",
    )
    func_name: Text | None = None
    cursor: Text | None = Field(None, description="From an earlier answer, with equal filters")

    def moment(self) -> datetime | None:
        """Of ``since``; None: however old."""
        try:
            return None if self.since == "all" else parse_moment(self.since)
        except PydanticCustomError as exc:
            raise BadValue(f"since takes 'all' or a time. {exc.message()}") from exc


class FailureFilters(Model):
    """Which groups of failures."""

    func_name: Text | None = Field(None, description="Of this function only")
    since: Moment | None = Field(None, description="That have failed at or after")
    q: Text | None = Field(
        None,
        description="Part of the function's name or of the exception's class, of the 5,000 groups "
        "that failed last",
    )
    trend: Literal["hour", "day"] = Field(
        "hour", description="By hours of the last day, or by days of the last 30"
    )
    limit: int = Field(50, ge=1, le=200)


class TaskChoice(Model):
    """Tasks for which everything given holds."""

    status: list[TaskStatus] = Field([], max_length=20, description="Any of these")
    func_name: Text | None = None
    queue: Text | None = None
    tag: Tag | None = Field(
        None, description="`key:value`, both exact; the key ends at the first colon"
    )
    q: Text | None = Field(
        None,
        description="Start of the id or of the function's name, the last 8 characters of the id, "
        "an exact tag value, or part of the title, summary or error text of one of the newest "
        "10,000 tasks",
    )
    source: Text | None = None
    since: Moment | None = Field(None, description="Made at or after")
    until: Moment | None = Field(None, description="Made before")
    failure: Text | None = Field(None, description="Whose last attempt failed, in this group")
    batch: Text | None = Field(None, description="Of this batch or chain, its callbacks too")
    key: Text | None = Field(
        None,
        description="Of this order key, those that have ended too; as in `order_key` of a task",
    )

    def query(self) -> Query:
        """The same for the store."""
        key, _, value = (self.tag or "").partition(":")
        return Query(
            statuses=frozenset(self.status),
            func_name=self.func_name,
            queue=self.queue,
            tag=(key, value) if self.tag is not None else None,
            text=self.q,
            source=self.source,
            since=self.since,
            until=self.until,
            failure=self.failure,
            batch_id=self.batch,
            order_key=self.key,
        )


class TaskFilters(_Page, TaskChoice):
    """A page of such tasks."""


class ListFilters(TaskFilters):
    """Of the JSON list."""

    brief: bool = Field(False, description="Leave out logs and stack traces")


async def single_values(request: Request) -> None:
    """Dependency: refuse a parameter that is given twice, instead of using one at random."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen and name not in _MANY_VALUES:
            raise bad_query(name, "given more than once")
        seen.add(name)
