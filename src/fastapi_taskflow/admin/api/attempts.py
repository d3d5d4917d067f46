"""Attempts of a task as the JSON routes show them."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from fastapi_taskflow.admin.api.fields import Model, Moment
from fastapi_taskflow.backends.base import Attempt

__all__ = ["AttemptInfo"]


class AttemptInfo(Model):
    """An attempt that has ended, beside the one that the task's own fields show."""

    number: int = Field(description="Attempts that had failed before it")
    instance: str | None
    started_at: Moment | None
    ended_at: Moment
    duration: float | None = Field(description="Seconds")
    outcome: str
    error: str | None
    stacktrace: str | None
    late: bool = Field(description="It ended after another instance had taken over; ignored")
    failure: str | None = Field(description="The group of its failure")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            number=attempt.number,
            instance=attempt.instance,
            started_at=None if attempt.started_at is None else attempt.started_at.isoformat(),
            ended_at=attempt.ended_at.isoformat(),
            duration=attempt.elapsed,
            outcome=attempt.move.value,
            error=attempt.error,
            stacktrace=attempt.stacktrace,
            late=attempt.late,
            failure=attempt.failure,
        )
