"""Looking at stored tasks and batches for those who wait for them, however many these are.

One read is under way at a time; what is asked meanwhile is the next. So a thousand clients that
follow tasks cost the store what a few do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from fastapi_taskflow.engine.core.groupcommit import GroupCommit
from fastapi_taskflow.engine.core.supervisor import Supervisor

__all__ = ["Looks"]

T = TypeVar("T")


class Looks(Generic[T]):
    """Reads of single things by id, put together; those of other event loops are not.

    Args:
        name: Of its service.
        read: Reads several, in their order; None: there is none.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[Sequence[str]], Awaitable[Sequence[T | None]]],
        supervisor: Supervisor,
    ) -> None:
        self._ask = read
        self._loop = asyncio.get_running_loop()
        self._reads: GroupCommit[str, T | None] = GroupCommit(name, self._read, supervisor)

    async def get(self, wanted: str) -> T | None:
        """One of them; others may get the same object.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if asyncio.get_running_loop() is not self._loop:
            (found,) = await self._ask([wanted])
            return found
        answer: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._reads.submit(wanted, partial(_give, answer))
        return await answer

    async def _read(self, ids: list[str]) -> list[T | None]:
        wanted = list(dict.fromkeys(ids))
        found = dict(zip(wanted, await self._ask(wanted), strict=True))
        return [found[one] for one in ids]


def _give(answer: asyncio.Future[T | None], found: T | None, error: Exception | None) -> None:
    if answer.done():  # nobody waits any more
        return
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)
