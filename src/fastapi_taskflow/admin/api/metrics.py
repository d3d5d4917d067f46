"""The route about numbers: totals over all time, and how ends spread over time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Self

from fastapi import Query
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.filters import MetricsFilters
from fastapi_taskflow.admin.api.problems import bad_query
from fastapi_taskflow.admin.api.schemas import FunctionInfo, Model, Moment, Percentile
from fastapi_taskflow.operations import Series, Step
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["MetricsApi", "MetricsInfo"]

_STEPS = {step.label: step for step in Step}

Wait = Annotated[
    float | None,
    Field(
        description="Seconds that so many percent of the tasks that started then, and have ended, "
        "had been due when they started; of a retried task its last attempt. Within 4.5 %"
    ),
]


class BucketInfo(Model):
    """Tasks that ended within one span of time."""

    start: Moment
    success: int
    failed: int
    interrupted: int
    cancelled: int
    rejected: int
    avg_duration_seconds: float | None
    p50: Percentile
    p95: Percentile
    p99: Percentile
    wait_p50: Wait
    wait_p95: Wait
    wait_p99: Wait
    oldest_seconds: float | None = Field(
        description="For how long the first of the tasks that waited at the bucket's end had been "
        "due; of what started since within one bucket's length; 0 if none waited; null with "
        "`func_name`"
    )


class SeriesInfo(Model):
    """Buckets without gaps, the oldest first."""

    bucket: str
    since: Moment = Field(description="The first bucket begins here")
    until: Moment = Field(description="The last one ends here")
    buckets: list[BucketInfo]

    @classmethod
    def of(cls, series: Series) -> Self:
        return cls(
            bucket=series.bucket,
            since=series.since.isoformat(),
            until=series.until.isoformat(),
            buckets=[
                BucketInfo(**{**asdict(one), "start": one.start.isoformat()})
                for one in series.buckets
            ],
        )


class MetricsInfo(Model):
    """Totals over all time, deleted tasks included."""

    total: int
    success: int
    failed: int
    running: int
    pending: int
    interrupted: int
    cancelled: int
    rejected: int
    success_rate: float = Field(description="0 to 1, of the tasks that succeeded or failed")
    avg_duration_seconds: float | None
    functions: list[FunctionInfo]
    p50: Percentile
    p95: Percentile
    p99: Percentile
    series: SeriesInfo | None = Field(description="Null without `bucket`")


class MetricsApi(Routes):
    """The route about numbers."""

    def add_to(self, add: Add) -> None:
        add("GET", "/metrics", self.get_metrics)

    async def get_metrics(self, wanted: Annotated[MetricsFilters, Query()]) -> MetricsInfo:
        """Totals, rates and percentiles; with `bucket` also how ends spread over time."""
        series = await self._series(wanted)
        totals = await self._operations.metrics(func_name=wanted.func_name)
        return MetricsInfo.model_validate({**asdict(totals), "series": series})

    async def _series(self, wanted: MetricsFilters) -> SeriesInfo | None:
        if wanted.bucket is None:
            if wanted.since is not None or wanted.until is not None:
                raise bad_query("bucket", "Missing: since and until say which buckets to show")
            return None
        try:
            series = await self._operations.series(
                _STEPS[wanted.bucket],
                since=wanted.since,
                until=wanted.until,
                func_name=wanted.func_name,
            )
        except ConfigurationError as error:
            raise bad_query("since", str(error)) from error
        return SeriesInfo.of(series)
