"""Routes about failures: those that are alike, as one."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Path, Query, Response
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.filters import FailureFilters, Text
from fastapi_taskflow.admin.api.schemas import Model, Moment, encodable
from fastapi_taskflow.operations import FailureInfo
from fastapi_taskflow.words.models import TaskRecord
from fastapi_taskflow.words.texts import clip

__all__ = ["FailureApi", "FailureDetail", "Group"]

Group = Annotated[Text, Path(description="As in `failure` of a task")]

_COUNTED = {
    "headers": {
        "X-Total-Count": {
            "description": "How many groups there are; `5000+` where counting stopped",
            "schema": {"type": "string", "pattern": r"^[0-9]+\+?$"},
        }
    }
}
# Of an example's error, in a list.
_ERROR_LIMIT_BYTES = 1_024


class BarInfo(Model):
    """How many attempts failed in one span of time."""

    start: Moment
    count: int


class ExampleInfo(Model):
    """The task of the last failure of a group."""

    task_id: str
    title: str | None
    error: str | None = Field(description="Its text, cut; null if the task ended otherwise since")

    @classmethod
    def of(cls, record: TaskRecord, error: str | None) -> Self:
        return cls(
            task_id=record.task_id,
            title=None if record.title is None else encodable(record.title),
            error=None if error is None else clip(encodable(error), _ERROR_LIMIT_BYTES),
        )


class FailureDetail(Model):
    """Attempts that failed alike: of one function, with one class, through the same frames."""

    group: str
    func_name: str
    kind: str = Field(description="The exception's class")
    first_at: Moment
    last_at: Moment
    count: int = Field(description="Attempts, since the group was first seen")
    recent: int = Field(description="Attempts within the trend")
    trend: list[BarInfo] = Field(description="Without gaps, the oldest first")
    example: ExampleInfo | None = Field(description="Null: its record is deleted")
    to_retry: str | None = Field(
        description="How many tasks ended so and were not retried, `10000+` where counting "
        "stopped; of a single group only"
    )

    @classmethod
    def of(cls, info: FailureInfo) -> Self:
        wanted = info.to_retry
        return cls(
            group=info.group,
            func_name=encodable(info.func_name),
            kind=encodable(info.kind),
            first_at=info.first_at.isoformat(),
            last_at=info.last_at.isoformat(),
            count=info.count,
            recent=info.recent,
            trend=[BarInfo(start=start.isoformat(), count=number) for start, number in info.trend],
            example=None if info.example is None else ExampleInfo.of(info.example, info.error),
            to_retry=None if wanted is None else f"{wanted.number}{'+' if wanted.more else ''}",
        )


class FailureApi(Routes):
    """The routes about failures."""

    def add_to(self, add: Add) -> None:
        add("GET", "/failures", self.get_failures, more_answers={200: _COUNTED})
        add("GET", "/failures/{group}", self.get_failure, answers=(404,))

    async def get_failures(
        self, response: Response, wanted: Annotated[FailureFilters, Query()]
    ) -> list[FailureDetail]:
        """Failures by group, those that failed last first."""
        found = await self.list_failures(wanted)
        number, more = len(found), False
        if number == wanted.limit:
            number, more = await self._operations.count_failures(
                since=wanted.since, func_name=wanted.func_name, text=wanted.q
            )
        response.headers["X-Total-Count"] = f"{number}{'+' if more else ''}"
        return found

    async def list_failures(self, wanted: FailureFilters) -> list[FailureDetail]:
        """The same without how many there are."""
        found = await self._operations.failures(
            since=wanted.since,
            func_name=wanted.func_name,
            text=wanted.q,
            trend=wanted.trend,
            limit=wanted.limit,
        )
        return [FailureDetail.of(one) for one in found]

    async def get_failure(self, group: Group) -> FailureDetail:
        """One group, with how many of its tasks could be retried."""
        return FailureDetail.of(await self._operations.failure(group))
