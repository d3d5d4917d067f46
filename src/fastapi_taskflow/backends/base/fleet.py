"""The instances that share a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base.claims import Claimed

__all__ = ["Fleet", "InstanceInfo", "Peer", "Signals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceInfo:
    """What an instance says of itself when it enlists. ``ttl`` is in seconds.

    ``version`` is that of the library; None: an older one, which did not say. ``executors`` are
    the runs that each takes at a time, by name; None: any number.
    """

    instance_id: str
    host: str
    pid: int
    started_at: datetime
    roles: frozenset[str]
    ttl: float
    functions: frozenset[str] = frozenset()
    executors: Mapping[str, int | None] = field(default_factory=dict)
    version: str | None = None


class Peer(NamedTuple):
    """An enlisted instance as the store has it. ``counter`` grows with each heartbeat.

    ``running`` functions and ``draining`` (it stops, and takes nothing on) are as of the last
    one. ``gone``: its lock is free, which proves it dead. Stores without locks never say so.
    """

    info: InstanceInfo
    counter: int
    lag: float
    gone: bool = False
    running: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What others want an instance to know.

    Attributes:
        cancel: Ids of tasks it owns for which cancel was asked.
        queues: Stored queue settings, by queue then setting name; what is absent was
            never set and stays as the code says.
        peers: All instances that have enlisted and not retired, itself included.
    """

    cancel: tuple[str, ...] = ()
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()


class Fleet(ABC):
    """Who is alive, and who takes over from the dead."""

    @abstractmethod
    async def enlist(self, info: InstanceInfo) -> None:
        """Make an instance known, alive from now on.

        Where the store has file locks, its lock is held from before the row exists until
        `retire`, `close` or the death of the process.
        """

    @abstractmethod
    async def beat(
        self, instance: str, lag: float, *, running: int = 0, draining: bool = False
    ) -> bool:
        """Heartbeat: one more on the instance's counter.

        Called on the event loop of a thread that does nothing else: so it may block, and a
        busy application delays no beat. It needs a connection of its own, made on that loop,
        which runs only while a beat does, and ends as with `asyncio.run`: tasks that are left
        on it (to close a connection that is kept, say) are cancelled and waited for.

        Args:
            lag: Seconds by which the event loop answered late.
            running: Functions that run in it.
            draining: It stops, and takes nothing on.

        Returns:
            False if the instance was declared dead (or is unknown): it must take a new id.
        """

    @abstractmethod
    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        """Declare ``dead`` dead and hand up to ``limit`` of its tasks to ``by``.

        They keep their state and get a new fence, so nothing that the dead one still sends
        counts. ``by`` ends each claim with `finish`. Fewer than ``limit`` means that none is
        left, and the dead instance's row is gone; until then it stays among the peers, so
        that others can go on if ``by`` dies. Tasks of an instance that has no row are handed
        over too. Where ``by`` is not alive, or is ``dead`` itself, nothing is done and the
        answer is empty.
        """

    @abstractmethod
    async def owned(self, instance: str) -> list[Claimed]:
        """All live tasks that the store says the instance holds."""

    @abstractmethod
    async def retire(self, instance: str) -> None:
        """Goodbye: the instance is not alive any more. Its lock goes, and its row.

        If live tasks are still its own, the row stays until `recover` has handed them over.
        """

    @abstractmethod
    async def signals(self, instance: str) -> Signals:
        """What others want this instance to know; a cheap read."""
