"""What any store says of its tasks through the port that all stores have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.backends.base import Backend, Page, Query, StoredTask
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import LIVE
from trust.history import Row
from trust.stores import backend_of

__all__ = ["Reading", "state_of"]

T = TypeVar("T")

_PAGE = 500
_PAUSE_SECONDS, _PATIENCE_SECONDS = 0.1, 60.0
_STATES = [
    TaskStatus.PENDING,
    TaskStatus.RUNNING,
    TaskStatus.SUCCESS,
    TaskStatus.FAILED,
    TaskStatus.INTERRUPTED,
    TaskStatus.CANCELLED,
    TaskStatus.REJECTED,
]


def state_of(name: str) -> int:
    """A state's number in `trust.history`."""
    return _STATES.index(TaskStatus[name])


class Reading:
    """Looks at a store from outside; opened when it is first asked."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._backend: Backend | None = None

    async def left(self) -> int:
        live = Query(statuses=frozenset(LIVE))
        return await self._asked(lambda backend: backend.count(live, cap=1))

    async def held(self, task: str) -> tuple[int, str | None]:
        (found,) = await self._asked(lambda backend: backend.get([task]))
        assert found is not None, task
        return found.fence, found.owner

    async def rows(self) -> list[Row]:
        return [await self._asked(partial(_row, one)) for one in await self.tasks()]

    async def tasks(self) -> list[StoredTask]:
        """All that are stored."""
        found, cursor = list[StoredTask](), None
        while True:
            page, cursor = await self._asked(partial(_page, cursor))
            found += page
            if cursor is None:
                return found

    async def _asked(self, question: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """The store's answer; it may be gone for a while, or busy."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await question(await self._open())
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    async def _open(self) -> Backend:
        if self._backend is None:
            backend = backend_of(self.place).onlooker()
            await backend.open(lambda: None)
            self._backend = backend
        return self._backend


async def _page(cursor: str | None, backend: Backend) -> Page:
    return await backend.search(Query(), limit=_PAGE, cursor=cursor)


async def _row(one: StoredTask, backend: Backend) -> Row:
    record, attempts = one.record, await backend.attempts(one.record.task_id)
    return Row(
        record.task_id,
        record.func_name,
        _STATES.index(record.status),
        one.fence,
        one.owner,
        one.failures,
        one.interruptions,
        record.tags.get("rid"),
        sum(each.late for each in attempts),
    )
