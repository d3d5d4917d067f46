"""What several of the JSON routes' models are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Model", "Moment", "Percentile", "ProgressInfo", "WaitingInfo"]

Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, description="ISO 8601 with offset, UTC")
]


Percentile = Annotated[
    float | None,
    Field(
        description="Seconds, within 4.5 %, that so many percent of the tasks that succeeded or "
        "failed did not exceed; null without any"
    ),
]


class Model(BaseModel):
    """What a route takes or answers: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class ProgressInfo(Model):
    """How far a task has come, in units of its own."""

    done: int | float
    total: int | float | None
    message: str | None


class WaitingInfo(Model):
    """The first thing that is in a waiting task's way."""

    reason: str = Field(
        description="no_instance, paused, key, rate_limit, retry, schedule, date, global_limit, "
        "queue_full, loop_lag or slot"
    )
    text: str = Field(description="For people")
    ahead: int | None = Field(description="Tasks of its key before it")
    seconds: float | None = Field(description="About how long, as far as that can be told")
