"""Routes for probes: is this process alive, and is it ready.

They are guarded like all others. A probe that comes over the network needs
``dependencies=`` that let it through.
"""

from __future__ import annotations

from typing import Literal, Self

from fastapi import Response
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import RETRY_AFTER, Add, Routes
from fastapi_taskflow.admin.api.schemas import ExecutorInfo, Model, encodable
from fastapi_taskflow.backends.base import Finding, Grade
from fastapi_taskflow.operations import Health
from fastapi_taskflow.words.errors import EngineNotRunning

__all__ = ["HealthApi", "HealthInfo", "LiveInfo"]

_RETRY_SECONDS = 2


class LiveInfo(Model):
    """The process answers."""

    status: Literal["ok"] = "ok"


class FindingInfo(Model):
    """One thing that the store's server or file says of its state."""

    check: str
    level: Literal["ok", "note", "warning", "problem"]
    detail: str
    mend: str | None = Field(description="What to do; null: nothing")

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls.model_validate({**finding._asdict(), "level": finding.level.value})


class HealthInfo(Model):
    """Whether this instance is ready, and what it knows of itself.

    Where no engine runs, everything but `status`, `reasons`, `draining`, `store` and
    `damaged` is null.
    """

    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="`degraded`: ready, but somebody should see to the reasons"
    )
    reasons: list[str] = Field(description="Why it is not ready, or not well")
    grade: Literal["A", "B", "C"] | None = Field(description="Durability of accepted tasks")
    grade_means: str | None
    instance: str | None
    draining: bool
    store: Literal["ok", "unavailable"]
    lag: float | None = Field(
        description="Seconds by which the event loop answered late at the last heartbeat"
    )
    unsettled: int | None = Field(description="Ends of tasks that wait to be stored")
    strained: bool | None = Field(
        description="The event loop is later than `max_loop_lag`: no task starts here"
    )
    late: int | None = Field(description="Ends that came after the task was taken over; ignored")
    events_dropped: int | None = Field(description="Observers were too slow for so many events")
    states_dropped: int | None = Field(
        description="States of persist=False tasks that were never stored"
    )
    unreadable: dict[str, str] | None = Field(
        description="By function, why this process cannot read its stored tasks, which wait for "
        "an instance that can: one with newer code, or with the key"
    )
    states_cut: int | None = Field(
        description="Such states that were stored without a value that cannot be"
    )
    executors: list[ExecutorInfo] | None = Field(description="Of this process")
    store_findings: list[FindingInfo] | None = Field(
        description="What the store says of its own state, up to a minute old"
    )
    damaged: list[str] = Field(
        description="Ids of tasks that somebody damaged in the store, the latest that were met"
    )

    @classmethod
    def of(cls, health: Health) -> Self:
        well = not health.complaints
        return cls(
            status="unavailable" if not health.ready else "ok" if well else "degraded",
            reasons=[*health.reasons, *health.complaints],
            grade=_LETTERS[health.grade],
            grade_means=health.grade.value,
            store="ok" if health.store_answers else "unavailable",
            unreadable={encodable(n): encodable(why) for n, why in health.unreadable.items()},
            damaged=list(health.damaged),
            store_findings=[FindingInfo.of(one) for one in health.store_findings],
            executors=[ExecutorInfo(**one._asdict()) for one in health.executors],
            **{name: getattr(health, name) for name in _ALIKE},
        )

    @classmethod
    def without_engine(cls, reason: str) -> Self:
        known = {"status": "unavailable", "store": "unavailable", "reasons": [reason]}
        unknown = dict.fromkeys(cls.model_fields)
        return cls.model_validate({**unknown, **known, "draining": False, "damaged": []})


# Fields that are the same in `Health`.
_ALIKE = (
    "instance",
    "draining",
    "lag",
    "unsettled",
    "strained",
    "late",
    "events_dropped",
    "states_dropped",
    "states_cut",
)
_LETTERS: dict[Grade, Literal["A", "B", "C"]] = {Grade.A: "A", Grade.B: "B", Grade.C: "C"}


class HealthApi(Routes):
    """The routes for probes."""

    def add_to(self, add: Add) -> None:
        unready = {
            "model": HealthInfo,
            "description": "Send no tasks here now",
            "headers": RETRY_AFTER,
        }
        add("GET", "/health", self.get_health, more_answers={503: unready})
        add("GET", "/health/live", self.get_life)

    async def get_health(self, response: Response) -> HealthInfo:
        """Readiness: 503 while this instance stops, or cannot reach its store.

        What is merely not well, a damaged task say, makes it `degraded`, with 200.
        """
        try:
            told = HealthInfo.of(await self._operations.health())
        except EngineNotRunning as error:
            told = HealthInfo.without_engine(str(error))
        if told.status == "unavailable":
            response.status_code = 503
            response.headers["Retry-After"] = str(_RETRY_SECONDS)
        return told

    async def get_life(self) -> LiveInfo:
        """Liveness: the event loop answers. It asks no store, whose outage no restart mends."""
        return LiveInfo(status="ok")
