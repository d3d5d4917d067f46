"""The first page: totals, queues, and the latest tasks with a filter."""

from __future__ import annotations

from typing import Any, NamedTuple

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
from fastapi_taskflow.admin.site.site import Place
from fastapi_taskflow.backends.base import Grade
from fastapi_taskflow.operations import Count, FunctionEnds, Metrics
from fastapi_taskflow.rules.auth.roles import Permission
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Overview", "overview"]

_ERROR_CHARACTERS = 160
_TAGS = 3
_REFRESHES = (0, 5, 30)
_SPANS = ("15m", "1h", "6h", "24h", "7d")


class Overview(NamedTuple):
    """What the page shows. ``refresh`` is in seconds, 0 for never."""

    metrics: Metrics
    lately: tuple[FunctionEnds, ...]
    queues: list[dict[str, Any]]
    records: list[TaskRecord]
    found: Count
    cursor: str | None
    refresh: int
    grade: Grade


def overview(place: Place, shown: Overview) -> str:
    """The whole page."""
    return document(
        place,
        "Tasks",
        element("h1", "Tasks", class_="unseen"),
        _totals(place, shown.metrics),
        section("Last hour", _lately(place, shown.lately)),
        section("Queues", _queues(place, shown.queues)),
        section(
            "Latest tasks",
            _filters(place, shown),
            _tasks(place, shown.records),
            _pager(place, shown),
        ),
        controls=_refreshing(place, shown.refresh),
        refresh=shown.refresh,
        grade=shown.grade,
    )


def _refreshing(place: Place, now: int) -> Html:
    choices = [
        element(
            "a",
            f"every {seconds} s" if seconds else "off",
            href=place.query_with(refresh=str(seconds)),
            aria_current="true" if seconds == now else None,
        )
        for seconds in sorted({*_REFRESHES, now})
    ]
    return element("nav", "Refresh: ", choices, aria_label="Refresh", class_="choices")


def _totals(place: Place, metrics: Metrics) -> Html:
    cards = [
        element(
            "li",
            element(
                "a",
                element("strong", f"{getattr(metrics, status.value):,}"),
                badge(status),
                href=f"{place.page()}?status={status.value}",
            ),
        )
        for status in TaskStatus
    ]
    rate = f"{metrics.success_rate:.1%}" if metrics.success + metrics.failed else "none yet"
    facts = fragment(
        element("li", element("strong", rate), element("span", "success rate")),
        element(
            "li",
            element("strong", duration(metrics.avg_duration_seconds) or "none yet"),
            element("span", "average time"),
        ),
    )
    return element("ul", cards, facts, class_="totals", aria_label="Totals")


def _lately(place: Place, functions: tuple[FunctionEnds, ...]) -> Html:
    if not functions:
        return element("p", "Nothing has ended in the last hour.", class_="empty")
    columns = ["Function", "Success", "Failed", "Other ends", "p50", "p95"]
    rows: list[list[Child]] = [
        [
            element(
                "a",
                one.func_name,
                href=place.page() + place.query_with(func_name=one.func_name, cursor=None),
            ),
            *(f"{count:,}" for count in (one.success, one.failed, one.other)),
            duration(one.p50),
            duration(one.p95),
        ]
        for one in functions
    ]
    return table(columns, rows, caption="What ended in the last hour, by function")


def _queues(place: Place, queues: list[dict[str, Any]]) -> Html:
    columns = ["Queue", "Waiting", "Running", "Finished", "Rejected", "Concurrency", "Max size"]
    rows: list[list[Child]] = []
    for queue in queues:
        name = str(queue["name"])
        cells: list[Child] = [
            fragment(
                element("a", name, href=place.page() + place.query_with(queue=name, cursor=None)),
                " ",
                element("span", "paused", class_="badge paused") if queue["paused"] else None,
            ),
            *(f"{queue[count]:,}" for count in ("pending", "running", "finished", "rejected")),
            _limit(queue["concurrency"]),
            _limit(queue["max_size"]),
        ]
        if place.may(Permission.ACT):
            act = "resume" if queue["paused"] else "pause"
            action = place.page("queues", name, act)
            cells.append(
                button(action, act.capitalize(), spoken=f"{act.capitalize()} queue {name}")
            )
        rows.append(cells)
    if place.may(Permission.ACT):
        columns.append("Action")
    return table(columns, rows, caption="Queues with their limits and numbers")


def _limit(value: int | None) -> Child:
    return element("span", "no limit", class_="aside") if value is None else f"{value:,}"


def _filters(place: Place, shown: Overview) -> Html:
    statuses = [status.value for status in TaskStatus]
    functions = [function.func_name for function in shown.metrics.functions]
    queues = [str(queue["name"]) for queue in shown.queues]
    return element(
        "form",
        _choice(place, "status", "Status", statuses),
        _field(place, "func_name", "Function", offers=functions),
        _choice(place, "queue", "Queue", queues),
        _field(place, "tag", "Tag", hint="key:value"),
        _field(place, "since", "Since", hint="6h or a date", offers=_SPANS),
        _field(place, "q", "Search", hint="id, function, error"),
        element("input", type="hidden", name="refresh", value=place.given("refresh") or "0"),
        element("button", "Filter", type="submit"),
        element("a", "Clear", href=place.page()),
        method="get",
        action=place.page(),
        class_="filters",
        role="search",
    )


def _choice(place: Place, name: str, label: str, values: list[str]) -> Html:
    chosen = place.given(name)
    options = [
        element("option", value, value=value, selected=value == chosen)
        for value in (values if not chosen or chosen in values else [*values, chosen])
    ]
    select = element("select", element("option", "any", value=""), options, name=name)
    return element("label", label, select)


def _field(
    place: Place, name: str, label: str, *, hint: str = "", offers: tuple[str, ...] | list[str] = ()
) -> Html:
    listed = f"{name}-offers" if offers else None
    return element(
        "label",
        label,
        element("input", name=name, value=place.given(name), placeholder=hint, list=listed),
        element("datalist", [element("option", value=one) for one in offers], id=listed)
        if offers
        else None,
    )


def _tasks(place: Place, records: list[TaskRecord]) -> Html:
    if not records:
        return element("p", "No task matches.", class_="empty")
    columns = ["Status", "Task", "Created", "Duration", "Retries", "Queue", "Error"]
    rows = [_row(place, record) for record in records]
    return table(columns, rows, caption="Tasks, newest first")


def _row(place: Place, record: TaskRecord) -> list[Child]:
    name = element("a", record.func_name, href=place.page("tasks", record.task_id))
    return [
        badge(record.status),
        fragment(name, " ", element("code", record.task_id[-8:]), tags(record.tags, _TAGS)),
        moment(record.created_at),
        duration(record.duration),
        record.retries_used or None,
        record.queue,
        _first_line(record.error),
    ]


def tags(given: dict[str, str], limit: int) -> Html:
    """Labels, the first few of them."""
    shown = [
        element("span", f"{key}: {value}", class_="tag")
        for key, value in list(given.items())[:limit]
    ]
    more = f"and {len(given) - limit} more" if len(given) > limit else None
    return fragment(*(fragment(" ", one) for one in shown), " " if more else None, more)


def _first_line(error: str | None) -> Html | None:
    if not error:
        return None
    line = error.strip().partition("\n")[0]
    cut = line if len(line) <= _ERROR_CHARACTERS else f"{line[:_ERROR_CHARACTERS]}…"
    return element("span", cut, class_="error")


def _pager(place: Place, shown: Overview) -> Html:
    number = f"{shown.found.number:,}{'+' if shown.found.more else ''}"
    return element(
        "nav",
        element("span", f"{number} task{'' if number == '1' else 's'}"),
        element("a", "Newest", href=place.query_with(cursor=None))
        if place.given("cursor")
        else None,
        element("a", "Older", href=place.query_with(cursor=shown.cursor), rel="next")
        if shown.cursor
        else None,
        aria_label="Pages",
        class_="choices",
    )
