"""The route with the lines of one task's log, each with its level."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Query
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.fields import Model, Moment
from fastapi_taskflow.admin.api.schemas import LogLevel, TaskId, encodable
from fastapi_taskflow.words.errors import TaskNotFound
from fastapi_taskflow.words.loglines import LogEntry

__all__ = ["LogApi", "LogEntryInfo"]


class LogEntryInfo(Model):
    """A line of a task's log, or a mark: a retry begins, or older lines were dropped."""

    number: int = Field(description="From 1; lines that were dropped count")
    timestamp: Moment | None = Field(description="To the second; null for a mark")
    level: LogLevel | None = Field(description="Null for a mark")
    message: str

    @classmethod
    def of(cls, entry: LogEntry) -> Self:
        when = entry.timestamp and entry.timestamp.isoformat()
        shown = {"timestamp": when, "message": encodable(entry.message)}
        return cls.model_validate(entry._asdict() | shown)


class LogFilters(Model):
    """Which lines."""

    level: LogLevel = Field("debug", description="Of this level or graver ones; marks as well")
    after: int = Field(0, ge=0, le=2**31 - 1, description="With numbers above this one")


class LogApi(Routes):
    """The route of a task's log."""

    def add_to(self, add: Add) -> None:
        add("GET", "/{task_id}/logs", self.logs, answers=(400, 404))

    async def logs(
        self, task_id: TaskId, wanted: Annotated[LogFilters, Query()]
    ) -> list[LogEntryInfo]:
        """What a task has said, in order, each line with its level."""
        found = await self._operations.log(task_id, min_level=wanted.level)
        if found is None:
            raise TaskNotFound(task_id)
        return [LogEntryInfo.of(entry) for entry in found if entry.number > wanted.after]
