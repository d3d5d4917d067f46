"""The instances that share this store, and those who want to hear of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi_taskflow.backends.base import InstanceInfo, Peer

__all__ = ["Audience", "Fleet"]


class _Member:
    __slots__ = ("alive", "counter", "draining", "info", "lag", "running")

    def __init__(self, info: InstanceInfo) -> None:
        self.info = info
        self.counter = 0
        self.lag = 0.0
        self.running = 0
        self.draining = False
        self.alive = True


class Fleet:
    """Enlisted instances; one that is not alive stays until its tasks are recovered."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    def __contains__(self, instance: object) -> bool:
        """Whether an instance is alive."""
        member = self._members.get(instance) if isinstance(instance, str) else None
        return member is not None and member.alive

    def enlist(self, info: InstanceInfo) -> None:
        member = self._members.get(info.instance_id)
        if member is None:
            self._members[info.instance_id] = _Member(info)
        else:
            member.info = info

    def beat(self, instance: str, lag: float, running: int, *, draining: bool) -> bool:
        member = self._members.get(instance)
        if member is None or not member.alive:
            return False
        member.counter += 1
        member.lag, member.running, member.draining = lag, running, draining
        return True

    def declare_dead(self, instance: str) -> None:
        member = self._members.get(instance)
        if member is not None:
            member.alive = False

    def drop(self, instance: str) -> None:
        self._members.pop(instance, None)

    def peers(self) -> tuple[Peer, ...]:
        return tuple(
            Peer(one.info, one.counter, one.lag, running=one.running, draining=one.draining)
            for one in self._members.values()
        )


class _Listener:
    __slots__ = ("heard", "loop", "on_change")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_change: Callable[[], None]) -> None:
        self.loop = loop
        self.on_change = on_change
        # False while a hint is on its way, so that a burst of changes is one hint.
        self.heard = True

    def tell(self) -> None:
        self.heard = True
        self.on_change()


class Audience:
    """Who opened the store, from which event loop.

    `close` cannot say whose opening it ends, only on which loop: the listeners of a loop
    go when its last opening is closed. Until then one of them may hear hints for nothing.
    """

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []
        self._openings: dict[asyncio.AbstractEventLoop, int] = {}

    def join(self, on_change: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._forget({one for one in self._openings if one.is_closed()})
        self._listeners.append(_Listener(loop, on_change))
        self._openings[loop] = self._openings.get(loop, 0) + 1

    def leave(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._openings.get(loop, 0) - 1
        if left > 0:
            self._openings[loop] = left
        else:
            self._forget({loop})

    def tell(self) -> None:
        """Something changed; a store with one opening has nobody to tell."""
        if len(self._listeners) <= 1:
            return
        for listener in self._listeners:
            if listener.heard:
                listener.heard = False
                try:
                    listener.loop.call_soon_threadsafe(listener.tell)
                except RuntimeError:  # its loop was closed without `close`
                    continue

    def _forget(self, loops: set[asyncio.AbstractEventLoop]) -> None:
        for loop in loops:
            self._openings.pop(loop, None)
        self._listeners = [one for one in self._listeners if one.loop not in loops]
