"""A page of tasks as JSON, written without holding the event loop up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from fastapi.responses import Response

from fastapi_taskflow.admin.api.schemas import TaskInfo
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["listed"]

# One task's log has at most 256 KiB, which take about a millisecond.
_SLICE_SECONDS = 0.01


async def listed(records: Sequence[TaskRecord], *, brief: bool, readable: bool) -> Response:
    """The answer with these tasks; others have their turn meanwhile.

    Args:
        brief: Without logs and stack traces.
        readable: Who asks may see logs.
    """
    written: list[str] = []
    until = time.monotonic() + _SLICE_SECONDS
    for record in records:
        shown = record if readable else replace(record, logs=[])
        info = TaskInfo.brief(shown) if brief else TaskInfo.of(shown)
        written.append(info.model_dump_json())
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE_SECONDS
    return Response(f"[{','.join(written)}]", media_type="application/json")
