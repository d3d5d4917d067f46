"""What the views beside tasks show, for those who follow them: told of by the parts that changed.

A view is parts by key, in an order: the rows of a list, or the fields of a whole. Each is what the
JSON route of the same name answers, so who follows knows what who asks would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

from fastapi_taskflow.admin.api.audits import AuditInfo
from fastapi_taskflow.admin.api.failures import FailureApi
from fastapi_taskflow.admin.api.filters import (
    FailureFilters,
    MetricsFilters,
    Text,
    parse_moment,
)
from fastapi_taskflow.admin.api.fleet import FleetApi
from fastapi_taskflow.admin.api.metrics import MetricsApi
from fastapi_taskflow.admin.api.pauses import PauseApi
from fastapi_taskflow.admin.api.schedules import ScheduleDetail
from fastapi_taskflow.admin.api.schemas import Model, QueueInfo, TaskInfo
from fastapi_taskflow.admin.site.following import Follower
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["View", "ViewChoice", "ViewFollower", "delta"]

View = Literal[
    "audit",
    "failures",
    "functions",
    "instances",
    "metrics",
    "newest",
    "pauses",
    "queues",
    "schedules",
]
Parts = dict[str, Any]
_Look = Callable[[], Awaitable[Parts]]

# A few reads of the store each time, and nobody reads numbers that change faster.
_STEP_SECONDS = 2.0
_BAD_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.INTERRUPTED, TaskStatus.REJECTED})
_MOST_NEWEST, _MOST_FAILURES, _MOST_SCHEDULES, _MOST_ENTRIES = 7, 200, 1000, 100


class ViewChoice(Model):
    """Views to follow, and what the routes of some of them may be asked."""

    view: list[View] = Field([], max_length=len(get_args(View)))
    bucket: Literal["minute", "5min", "hour", "day"] | None = None
    trend: Literal["hour", "day"] = "hour"
    func_name: Text | None = None
    q: Text | None = None


class ViewFollower(Follower):
    """Some views at once, so that a page needs one stream.

    Args:
        since: Of failures, as it was asked for: a span back from now is a new instant each time.
    """

    pause = _STEP_SECONDS

    def __init__(
        self, operations: Operations, wanted: ViewChoice, *, since: str | None = None
    ) -> None:
        super().__init__(operations)
        looks = _looks(operations, wanted, since)
        self._looks: dict[str, _Look] = {name: looks[name] for name in wanted.view}
        self._parts: dict[str, Parts] | None = None

    async def look(self) -> tuple[str, Any] | None:
        parts: dict[str, Parts] = {name: await look() for name, look in self._looks.items()}
        before, self._parts = self._parts, parts
        if before is None:
            return None
        told = {
            name: delta(before[name], one) for name, one in parts.items() if one != before[name]
        }
        return ("views", told) if told else None


def delta(before: Parts, after: Parts) -> dict[str, Any]:
    """Parts that are new or other, and, where others are there now, all keys in their order."""
    changed = {key: part for key, part in after.items() if before.get(key) != part}
    order = list(after)
    return {"changed": changed, "order": None if order == list(before) else order}


def _rows(key: str, rows: Sequence[BaseModel]) -> Parts:
    return {str(getattr(row, key)): row.model_dump(mode="json") for row in rows}


def _looks(operations: Operations, wanted: ViewChoice, since: str | None) -> Mapping[str, _Look]:
    return {
        "audit": partial(_audit, operations),
        "failures": partial(_failures, FailureApi(operations), wanted, since),
        "functions": partial(_functions, FleetApi(operations)),
        "instances": partial(_instances, FleetApi(operations)),
        "metrics": partial(_metrics, MetricsApi(operations), wanted),
        "newest": partial(_newest, operations),
        "pauses": partial(_pauses, PauseApi(operations)),
        "queues": partial(_queues, operations),
        "schedules": partial(_schedules, operations),
    }


async def _audit(operations: Operations) -> Parts:
    entries, _ = await operations.audit(limit=_MOST_ENTRIES)
    return _rows("entry_id", [AuditInfo.of(entry) for entry in entries])


async def _failures(api: FailureApi, wanted: ViewChoice, since: str | None) -> Parts:
    filters = FailureFilters(
        func_name=wanted.func_name,
        since=None if since is None else parse_moment(since),
        q=wanted.q,
        trend=wanted.trend,
        limit=_MOST_FAILURES,
    )
    return _rows("group", await api.list_failures(filters))


async def _functions(api: FleetApi) -> Parts:
    return _rows("func_name", await api.list_functions())


async def _instances(api: FleetApi) -> Parts:
    return _rows("instance_id", await api.list_instances())


async def _metrics(api: MetricsApi, wanted: ViewChoice) -> Parts:
    filters = MetricsFilters(
        bucket=wanted.bucket, since=None, until=None, func_name=wanted.func_name
    )
    fields = (await api.get_metrics(filters)).model_dump(mode="json")
    # One bucket fills up, and all others stay as they are.
    buckets = (fields["series"] or {}).pop("buckets", [])
    return {**fields, **{one["start"]: one for one in buckets}}


async def _newest(operations: Operations) -> Parts:
    records, _ = await operations.search(Query(statuses=_BAD_ENDS), limit=_MOST_NEWEST)
    return _rows("task_id", [TaskInfo.brief(record) for record in records])


async def _pauses(api: PauseApi) -> Parts:
    return {f"{one.kind} {one.value}": one.model_dump() for one in await api.list_pauses()}


async def _queues(operations: Operations) -> Parts:
    return _rows("name", [QueueInfo(**stats) for stats in await operations.queues()])


async def _schedules(operations: Operations) -> Parts:
    found, _ = await operations.list_schedules(limit=_MOST_SCHEDULES)
    return _rows("name", [ScheduleDetail.of(one) for one in found])
