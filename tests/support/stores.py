"""Stores that tell what they are asked, hold it up, or refuse it."""

import asyncio
from typing import Any, TypeVar

from fastapi_taskflow import Backend, MemoryBackend
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding

T = TypeVar("T")


class WatchedStore(Forwarding):
    """Notes each insert in ``events``, as ``insert of 2`` for two tasks in one transaction.

    Attributes:
        inserts: Per call of `insert`, the size of each group.
        refuse: Raised by every insert, if set.
        held: Inserts wait before they are written while it is not set.
    """

    def __init__(self, inner: Backend | None = None, events: list[str] | None = None) -> None:
        super().__init__(inner or MemoryBackend())
        self.events: list[str] = [] if events is None else events
        self.inserts: list[list[int]] = []
        self.refuse: Exception | None = None
        self.held: asyncio.Event | None = None
        self.waiting = 0

    def hold(self) -> None:
        """Let inserts wait from now on, until `release`. Called on the event loop."""
        self.held = asyncio.Event()

    def release(self) -> None:
        """Let inserts go on. Called on the event loop."""
        if self.held is not None:
            self.held.set()

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        if verb != "insert":
            return await call()
        if self.held is not None:
            self.waiting += 1
            await self.held.wait()
            self.waiting -= 1
        if self.refuse is not None:
            raise self.refuse
        self.inserts.append([len(group) for group in asked[0]])
        self.events += [f"insert of {len(group)}" for group in asked[0]]
        return await call()
