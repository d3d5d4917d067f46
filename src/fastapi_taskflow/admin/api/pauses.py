"""Routes about pauses: of a function, an order key, a tag; those of queues are shown too."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import Request
from pydantic import ConfigDict, Field, model_validator

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.filters import Tag, Text
from fastapi_taskflow.admin.api.schemas import Model, encodable
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.operations import PAUSE_LIMIT

__all__ = ["PauseApi", "PauseInfo"]


_Name = Annotated[Text, Field(max_length=PAUSE_LIMIT)]
# No `| None` beside the type: null is refused, and errors would name the parts of the union.
_ABSENT: Any = None


class PauseRequest(Model):
    """What to pause or resume; exactly one."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    queue: _Name = _ABSENT
    func_name: _Name = _ABSENT
    key: Annotated[_Name, Field(description="An order key, as in `order_key` of a task")] = _ABSENT
    tag: Annotated[Tag, Field(max_length=PAUSE_LIMIT, description="`name:value`")] = _ABSENT

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("Expected one of queue, func_name, key and tag")
        return self


class PauseInfo(Model):
    """Nothing of it starts, on any instance."""

    kind: Literal["queue", "function", "key", "tag"]
    value: str


class PauseApi(Routes):
    """The routes about pauses."""

    def add_to(self, add: Add) -> None:
        add("GET", "/pauses", self.list_pauses)
        add("POST", "/pauses", self.pause, answers=(400, 404, 413))
        add("POST", "/pauses/resume", self.resume, answers=(400, 404, 413))

    async def list_pauses(self) -> list[PauseInfo]:
        """All that is paused."""
        found = await self._operations.pauses()
        return [
            PauseInfo.model_validate({"kind": one.kind, "value": encodable(one.value)})
            for one in found
        ]

    async def pause(self, request: Request, wanted: PauseRequest) -> list[PauseInfo]:
        """Start nothing more of it, on any instance, until it is resumed; all that is paused."""
        await self._operations.pause(**wanted.model_dump(), actor=actor(request))
        return await self.list_pauses()

    async def resume(self, request: Request, wanted: PauseRequest) -> list[PauseInfo]:
        """Let it go on; all that is still paused."""
        await self._operations.resume(**wanted.model_dump(), actor=actor(request))
        return await self.list_pauses()
