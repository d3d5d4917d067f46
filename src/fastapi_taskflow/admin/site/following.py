"""What viewers of the dashboard follow: looked at once a second for all of them together.

A follower keeps what it saw last, and the newest events; an event says what changed since. Who
reads slower than events come, or comes back too late, is told to load all of it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from fastapi_taskflow.admin.api.schemas import TaskDetail, TaskInfo
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.words.errors import TaskflowError
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["MOST_ROWS", "Event", "Follower", "Followers", "ListFollower", "TaskFollower"]

logger = logging.getLogger(__name__)

MOST_ROWS = 50
_STEP_SECONDS = 1.0
# A task that has ended may still be retried, and then says as what.
_ENDED_STEP_SECONDS = 5.0
# An event of so many bytes is followed by a pause of as many seconds: no viewer costs more.
_BYTES_PER_SECOND = 15_000.0
_KEPT_EVENTS = 50
# Between two connections of one viewer.
_LINGER_SECONDS = 15.0
# Of different lists and tasks in one process; a page beyond it looks for itself, less often.
_MOST_FOLLOWERS = 200


class Event(NamedTuple):
    """Something that viewers are told."""

    number: int
    name: str
    data: str


class Follower(ABC):
    """One list or task. Its events are numbered from 1, within this object's ``epoch``."""

    def __init__(self, operations: Operations) -> None:
        self.epoch = secrets.token_hex(4)
        self.viewers = 0
        self.last = 0
        self.over = False
        self._operations = operations
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self._news = asyncio.Event()

    @abstractmethod
    async def look(self) -> tuple[str, Any] | None:
        """The name and data of what changed since the last look; the first one has none."""

    pause = _STEP_SECONDS

    async def run(self) -> None:
        """Look until nobody has for a while, or the engine stops."""
        core = self._operations.engine.core
        idle = 0.0
        try:
            while not core.draining and idle < _LINGER_SECONDS:
                size = await self.step()
                pause = max(self.pause, size / _BYTES_PER_SECOND)
                idle = 0.0 if self.viewers else idle + pause
                await self._rest(pause)
        finally:
            self.over = True
            self._tell()

    async def _rest(self, seconds: float) -> None:
        # In short steps: an engine that stops waits for open streams.
        until = time.monotonic() + seconds
        core = self._operations.engine.core
        while (left := until - time.monotonic()) > 0 and not core.draining:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _STEP_SECONDS / 2))

    async def step(self) -> int:
        """Look once, and tell of what is new; its size in bytes."""
        try:
            found = await self.look()
        except TaskflowError as error:
            # The store is away: there is no news, and the page's other requests say so.
            logger.debug("A viewer's list could not be read: %s", error)
            return 0
        if found is None:
            return 0
        name, data = found
        self.last += 1
        event = Event(self.last, name, json.dumps(data, separators=(",", ":")))
        self._events.append(event)
        self._tell()
        return len(event.data)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def since(self, number: int) -> list[Event] | None:
        """Events after this one; None: some are no longer kept."""
        first = self._events[0].number if self._events else self.last + 1
        if not first - 1 <= number <= self.last:
            return None
        return [event for event in self._events if event.number > number]

    async def events(self, number: int, silence: float) -> AsyncIterator[list[Event] | None]:
        """What comes after this event, as often as there is something; an empty list after so
        many seconds without, None where some were lost.
        """
        while not self.over:
            news = self._news
            found = self.since(number)
            if found == []:
                try:
                    async with asyncio.timeout(silence):
                        await news.wait()
                except TimeoutError:
                    yield []
                continue
            number = self.last
            yield found


class ListFollower(Follower):
    """The newest tasks that match: rows that are new or changed, and ids that are gone."""

    def __init__(self, operations: Operations, query: Query) -> None:
        super().__init__(operations)
        self._query = query
        self._rows: dict[str, dict[str, Any]] | None = None

    async def look(self) -> tuple[str, Any] | None:
        records, _ = await self._operations.search(self._query, limit=MOST_ROWS)
        rows = {
            record.task_id: TaskInfo.brief(record).model_dump(mode="json", exclude_none=True)
            for record in records
        }
        before, self._rows = self._rows, rows
        if before is None:
            return None
        changed = [row for task_id, row in rows.items() if before.get(task_id) != row]
        # Those that newer ones pushed out are still where they were, further down.
        oldest = min((row["created_at"] for row in rows.values()), default="")
        gone = [
            task_id
            for task_id, row in before.items()
            if task_id not in rows and (len(rows) < MOST_ROWS or row["created_at"] > oldest)
        ]
        return ("rows", {"changed": changed, "gone": gone}) if changed or gone else None


class TaskFollower(Follower):
    """One task: its fields when they change, and lines of its log as they come."""

    def __init__(
        self, operations: Operations, task_id: str, *, show_arguments: bool, readable: bool
    ) -> None:
        super().__init__(operations)
        self._task_id = task_id
        self._show_arguments = show_arguments
        self._readable = readable
        self._fields: dict[str, Any] | None = None
        self._lines: list[str] = []

    async def look(self) -> tuple[str, Any] | None:
        found = await self._operations.inspect(self._task_id, arguments=self._show_arguments)
        if found is None:
            before, self._fields = self._fields, {}
            return ("gone", {}) if before else None
        self.pause = _ENDED_STEP_SECONDS if found.record.status in TERMINAL else _STEP_SECONDS
        detail = TaskDetail.inspected(found, show_arguments=self._show_arguments)
        shown = detail if self._readable else detail.masked()
        fields = shown.model_dump(mode="json", exclude_unset=True)
        lines, levels = fields.pop("logs"), fields.pop("log_levels")
        known = len(self._lines) if lines[: len(self._lines)] == self._lines else 0
        before, self._fields = self._fields, fields
        same = known == len(lines) == len(self._lines)
        self._lines = lines
        if before is None or (before == fields and same):
            return None
        told = {} if before == fields else fields
        news = {"lines": lines[known:], "levels": levels[known:]}
        return "task", {"fields": told, "from": known, **news}


class Followers:
    """Those of one `TaskAdmin`, by what they follow."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._all: dict[Any, Follower] = {}

    def get(self, key: Any, make: Callable[[], Follower]) -> Follower | None:
        """The one of this key, which is made where there is none; None: there are too many.

        Raises:
            EngineNotRunning: no engine runs.
        """
        engine = self._operations.engine
        self._all = {one: follower for one, follower in self._all.items() if not follower.over}
        found = self._all.get(key)
        if found is None and len(self._all) < _MOST_FOLLOWERS:
            found = self._all[key] = make()
            engine.core.supervisor.spawn(found.run(), "a view of the dashboard")
        return found
