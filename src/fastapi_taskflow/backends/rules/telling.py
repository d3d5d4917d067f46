"""What functions tell and give, as values of their task's row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi_taskflow.backends.base import LogChunk, Outcome, Result, Snapshot
from fastapi_taskflow.backends.rules.duetimes import later

__all__ = ["EXPIRED", "FORGOTTEN", "given", "told"]

EXPIRED = "It was kept for the time of its result_ttl, which is over"
"""Stands for a result that was deleted, in `TaskRecord.result_missing`."""

FORGOTTEN = "Memory holds only so many bytes of results, and later ones came"
"""Likewise."""

_NOTHING: dict[str, Any] = {}


def told(said: LogChunk | Outcome | Snapshot) -> dict[str, Any]:
    """What a function told meanwhile: the latest takes the place of what there is."""
    if said.progress is None and said.emitted is None and said.summary is None:
        return _NOTHING
    found = {"progress": said.progress, "emitted": said.emitted, "summary": said.summary}
    return {name: value for name, value in found.items() if value is not None}


def given(result: Result | None, now: datetime) -> dict[str, Any]:
    """What it returned; None: nothing."""
    if result is None:
        return _NOTHING
    until = None if result.ttl is None else later(now, result.ttl)
    return {"result": result.value, "result_missing": result.missing, "result_until": until}
