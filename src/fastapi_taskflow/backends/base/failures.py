"""Failed attempts by group: what is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fastapi_taskflow.backends.base.grains import Grain

__all__ = ["FailureGroup", "FailureQuery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureQuery:
    """Which groups `Backend.failures` gives.

    Args:
        limit: At most so many, those that failed last.
        group: This one only.
        func_name: Of this function only.
        since: Those that have failed at or after this instant.
        grain: Of the spans; `Grain.HOUR` or `Grain.DAY`.
        spans_since: Spans that begin at or after; None: no spans.
    """

    limit: int = 100
    group: str | None = None
    func_name: str | None = None
    since: datetime | None = None
    grain: Grain = Grain.HOUR
    spans_since: datetime | None = None


class FailureGroup(NamedTuple):
    """Attempts that failed alike.

    ``times`` of them from ``first_at`` to ``last_at``, by the store's clock, of which ``task_id``
    was the last one's task (it may be deleted meanwhile). ``spans`` has how many failed in each
    span of time, by its begin.
    """

    group: str
    func_name: str
    kind: str
    first_at: datetime
    last_at: datetime
    times: int
    task_id: str
    spans: Mapping[datetime, int]
