"""The page of one task: what it is, how it went, and what can be done about it."""

from __future__ import annotations

from datetime import datetime

from fastapi_taskflow.admin.api.schemas import shown_arguments
from fastapi_taskflow.admin.site.layout import (
    badge,
    button,
    document,
    duration,
    moment,
    section,
    table,
)
from fastapi_taskflow.admin.site.markup import Child, Html, element, fragment
from fastapi_taskflow.admin.site.overview import tags
from fastapi_taskflow.admin.site.site import Place
from fastapi_taskflow.backends.base import Attempt, Grade
from fastapi_taskflow.operations import Inspection
from fastapi_taskflow.rules.auth.roles import Permission
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.states import CANCELLABLE, RETRYABLE

__all__ = ["detail"]

_ALL_TAGS = 1_000
_HIDDEN = "Hidden from viewers."


def detail(place: Place, found: Inspection, *, show_arguments: bool, grade: Grade) -> str:
    """The whole page."""
    record = found.record
    return document(
        place,
        f"{record.func_name} {record.task_id[-8:]}",
        element("p", element("a", "All tasks", href=place.page())),
        element("h1", record.func_name, " ", badge(record.status)),
        _notes(found),
        _actions(place, found) if place.may(Permission.ACT) else None,
        section("Facts", _facts(place, found)),
        section("Arguments", _arguments(place, record)) if show_arguments else None,
        section("Error", element("pre", record.error)) if record.error else None,
        section("Traceback", element("pre", record.stacktrace)) if record.stacktrace else None,
        section("Log", _log(place, record)),
        section("Earlier attempts", _attempts(found.attempts)) if found.attempts else None,
        grade=grade,
    )


def _notes(found: Inspection) -> Html:
    record = found.record
    live = record.status in CANCELLABLE
    return fragment(
        element("p", "No instance can run this: none has a function of this name.", class_="note")
        if found.stranded
        else None,
        element("p", "Asked to stop; it ends when it notices.", class_="note")
        if found.cancel_asked and live
        else None,
    )


def _actions(place: Place, found: Inspection) -> Html | None:
    record = found.record
    at = ("tasks", record.task_id)
    if record.status in CANCELLABLE and not found.cancel_asked:
        return element("div", button(place.page(*at, "cancel"), "Cancel"), class_="actions")
    if record.status in RETRYABLE and record.retried_as is None:
        return element("div", button(place.page(*at, "retry"), "Retry"), class_="actions")
    return None


def _facts(place: Place, found: Inspection) -> Html:
    record = found.record
    facts: dict[str, Child] = {
        "Id": element("code", record.task_id),
        "Queue": record.queue,
        "Priority": record.priority,
        "Tags": tags(record.tags, _ALL_TAGS) if record.tags else None,
        "Durable": "yes" if found.durable else "no",
        "Created": moment(record.created_at),
        "Due": _due(record),
        "Started": moment(record.start_time),
        "Ended": moment(record.end_time),
        "Duration": duration(record.duration),
        "Retries": record.retries_used,
        "Executor": record.executor,
        "Source": record.source,
        "Instance": element("code", record.instance) if record.instance else None,
        "Retry of": _other(place, record.retry_of),
        "Retried as": _other(place, record.retried_as),
        "Same work as": _other(place, record.duplicate_of),
    }
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", value))
            for name, value in facts.items()
            if value is not None
        ],
    )


def _due(record: TaskRecord) -> Html | None:
    due: datetime | None = record.due_at
    return moment(due) if record.status is TaskStatus.PENDING else None


def _other(place: Place, task_id: str | None) -> Html | None:
    if task_id is None:
        return None
    return element("a", element("code", task_id), href=place.page("tasks", task_id))


def _arguments(place: Place, record: TaskRecord) -> Html:
    if not place.may(Permission.READ_CONTENTS):
        return element("p", _HIDDEN, class_="empty")
    args, kwargs = shown_arguments(record)
    if not args and not kwargs:
        return element("p", "None, or none that can be read.", class_="empty")
    lines = [*args, *(f"{name}={value}" for name, value in kwargs.items())]
    return element("pre", ",\n".join(lines))


def _log(place: Place, record: TaskRecord) -> Html:
    if not place.may(Permission.READ_CONTENTS):
        return element("p", _HIDDEN, class_="empty")
    if not record.logs:
        return element("p", "No lines.", class_="empty")
    return element("pre", "\n".join(record.logs))


def _attempts(attempts: list[Attempt]) -> Html:
    columns = ["Attempt", "Outcome", "Started", "Duration", "Instance", "Error"]
    rows: list[list[Child]] = [
        [
            attempt.number + 1,
            fragment(attempt.move.value, " (late, ignored)" if attempt.late else None),
            moment(attempt.started_at),
            duration(attempt.elapsed),
            element("code", attempt.instance[-8:]) if attempt.instance else None,
            _failure(attempt),
        ]
        for attempt in attempts
    ]
    return table(columns, rows, caption="Attempts that ended before the one above")


def _failure(attempt: Attempt) -> Html | None:
    if not attempt.stacktrace:
        return element("span", attempt.error, class_="error") if attempt.error else None
    return element(
        "details",
        element("summary", attempt.error or "Traceback"),
        element("pre", attempt.stacktrace),
    )
