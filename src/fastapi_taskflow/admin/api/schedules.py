"""Routes about schedules: when they run, what became of it, and acts on them."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Path, Query, Request, Response
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import PAGED, Add
from fastapi_taskflow.admin.api.filters import SchedulePage, Text
from fastapi_taskflow.admin.api.schemas import Model, Moment, encodable
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.schedules import ScheduleInfo, SlotInfo

__all__ = ["ScheduleApi", "ScheduleDetail"]

ScheduleName = Annotated[Text, Path()]


class SlotDetail(Model):
    """An instant of a schedule, or a run that somebody asked for."""

    at: Moment
    kind: str = Field(
        description="`slot`, `manual`, `startup`; `missed` or `overlap`: it was left out"
    )
    task_id: str | None
    status: str | None = Field(description="Of its task; null where there is none any more")

    @classmethod
    def of(cls, slot: SlotInfo) -> Self:
        return cls(at=slot.at.isoformat(), kind=slot.kind, task_id=slot.task_id, status=slot.status)


class ScheduleDetail(Model):
    """One schedule. Spans are in seconds."""

    name: str
    func_name: str
    every: float | None
    cron: str | None
    timezone: str
    description: str = Field(description="When it runs, in plain words")
    start: Moment | None
    end: Moment | None
    jitter: float
    misfire: str
    grace: float | None
    overlap: str
    queue: str
    priority: int | None
    origin: str = Field(description="`code`, or `stored` if it was made while the app ran")
    paused: bool
    retired: bool = Field(description="It is gone from the code, and does not run")
    next_runs: list[Moment] = Field(description="The next ten; none while paused or retired")
    last_slots: list[SlotDetail] = Field(description="The last ten, the newest first")

    @classmethod
    def of(cls, info: ScheduleInfo) -> Self:
        plain = {name: getattr(info, name) for name in cls.model_fields}
        return cls(
            **plain
            | {
                "name": encodable(info.name),
                "func_name": encodable(info.func_name),
                "start": None if info.start is None else info.start.isoformat(),
                "end": None if info.end is None else info.end.isoformat(),
                "next_runs": [one.isoformat() for one in info.next_runs],
                "last_slots": [SlotDetail.of(one) for one in info.last_slots],
            }
        )


class ScheduleRun(Model):
    """A run that was asked for."""

    task_id: str


class ScheduleApi:
    """The routes about schedules."""

    def __init__(self, operations: Operations, site: Site) -> None:
        self._operations = operations
        self._site = site

    def add_to(self, add: Add) -> None:
        add("GET", "/schedules", self.list_schedules, more_answers={200: {"headers": PAGED}})
        add("POST", "/schedules/{name}/run", self.run_schedule, answers=(400, 404, 409))
        add("POST", "/schedules/{name}/pause", self.pause_schedule, answers=(400, 404))
        add("POST", "/schedules/{name}/resume", self.resume_schedule, answers=(400, 404))

    async def list_schedules(
        self, request: Request, response: Response, page: Annotated[SchedulePage, Query()]
    ) -> list[ScheduleDetail]:
        """Schedules by name, with their next ten runs and what became of the last ten slots."""
        found, cursor = await self._operations.list_schedules(limit=page.limit, cursor=page.cursor)
        if cursor is not None:
            place = self._site.at(request)
            response.headers["Link"] = place.link_next("schedules", cursor=cursor)
        return [ScheduleDetail.of(one) for one in found]

    async def run_schedule(self, request: Request, name: ScheduleName) -> ScheduleRun:
        """Run a schedule once, now, beside its slots."""
        task_id = await self._operations.run_schedule(name, actor=actor(request))
        return ScheduleRun(task_id=task_id)

    async def pause_schedule(self, request: Request, name: ScheduleName) -> ScheduleDetail:
        """Run nothing more of a schedule, on any instance, until it is resumed."""
        await self._operations.pause_schedule(name, actor=actor(request))
        return ScheduleDetail.of(await self._operations.get_schedule(name))

    async def resume_schedule(self, request: Request, name: ScheduleName) -> ScheduleDetail:
        """Let a paused schedule go on with its next slot."""
        await self._operations.resume_schedule(name, actor=actor(request))
        return ScheduleDetail.of(await self._operations.get_schedule(name))
