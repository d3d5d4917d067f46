"""What a page that follows a task or batch is told: server-sent events, until the end."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.operations.statuses import Seen
from fastapi_taskflow.words.batches import BatchStatus
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["TaskNews", "follow", "state_of_batch", "state_of_task"]

_STEP_SECONDS = 0.25
# Proxies end what is silent for a minute.
_SILENT_STEPS = 60
# Emitted values, and lines of the log, that a client has seen.
_EVENT_ID = re.compile(r"(\d{1,15})(?:\.(\d{1,15}))?", re.ASCII)

T = TypeVar("T")


async def follow(
    manager: Control,
    found: T,
    look: Callable[[], Awaitable[T | None]],
    state_of: Callable[[T], dict[str, Any]],
    news_of: Callable[[T], str] = lambda _: "",
) -> AsyncIterator[str]:
    """Events until it has ended, is not there any more, or the server drains.

    While the store does not answer there are none: a stream that broke off would be taken for the
    end, or be asked for again and refused.

    Args:
        found: How it is now, and ``look`` how it is later.
        state_of: What is told where it has changed; ``over`` in it: that is its end.
        news_of: Events that are told before a change of its state.
    """
    seen: T | None = found
    known: dict[str, Any] | None = None
    silent = 0
    core = manager.operations.engine.core
    while seen is not None and not core.draining:
        told, state = news_of(seen), state_of(seen)
        if state != known:
            told += _event("status", state)
            known = state
        if told:
            yield told
        if state["over"]:
            yield _event("end", state)
            return
        silent = 0 if told else silent + 1
        if silent >= _SILENT_STEPS:
            silent = 0
            yield ": still here\n\n"
        await asyncio.sleep(_STEP_SECONDS)
        if not core.draining:
            with suppress(StoreUnavailable):
                seen = await look()


def state_of_task(found: Seen) -> dict[str, Any]:
    """A task as its page shows it."""
    progress = None if found.progress is None else found.progress.to_dict()
    return {"status": found.status.value, "over": found.over, "progress": progress}


def state_of_batch(found: BatchStatus) -> dict[str, Any]:
    """A batch as its page shows it; its progress is that of a task, for the same page."""
    ended = found.success + found.failed + found.cancelled
    return {
        "over": found.done,
        "progress": {"done": ended, "total": found.total, "message": None},
        "pending": found.pending,
        "running": found.running,
        "success": found.success,
        "failed": found.failed,
        "cancelled": found.cancelled,
    }


class TaskNews:
    """What one client was told of a task.

    Args:
        last_event_id: Of the client: it goes on behind it.
    """

    def __init__(self, last_event_id: str | None, *, show_logs: bool) -> None:
        found = _EVENT_ID.fullmatch(last_event_id or "")
        self._last, self._lines = (0, 0) if found is None else (int(found[1]), int(found[2] or 0))
        self._show_logs = show_logs

    def of(self, found: Seen) -> str:
        """Lines and values that it was not told yet, as events."""
        told = ""
        for number, line in _lines(found, self._lines) if self._show_logs else ():
            self._lines = number
            told += _event("log", line, self._id())
        for number, value in enumerate(found.emitted, found.first):
            if number > self._last:
                self._last = number
                told += _event("emitted", value, self._id())
        return told

    def _id(self) -> str:
        """What it has been told, so that it can go on from there."""
        return f"{self._last}.{self._lines}" if self._lines else f"{self._last}"


def _lines(found: Seen, told: int) -> Iterator[tuple[int, str]]:
    """Lines of the log with their numbers from 1, those after the ones that were told."""
    if not found.dropped:
        yield from enumerate(found.logs[told:], told + 1)
        return
    # The first line says that some went, and stands for the last of them.
    gap, *lines = found.logs
    if told < found.dropped:
        yield found.dropped, gap
    after = max(told - found.dropped, 0)
    yield from enumerate(lines[after:], found.dropped + after + 1)


def _event(name: str, data: Any, event_id: str | None = None) -> str:
    named = "" if event_id is None else f"id: {event_id}\n"
    return f"{named}event: {name}\ndata: {json.dumps(data)}\n\n"
