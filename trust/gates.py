"""Stop a process at a named point of a task's life, so that it can be killed right there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi_taskflow.backends.base import Backend, Outcome, Settled
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.words.states import Move

__all__ = ["GatedBackend", "QuickRescue"]

T = TypeVar("T")


class GatedBackend(Forwarding):
    """Stands still at one point until it is opened.

    A point is ``before VERB`` (nothing is written) or ``after VERB`` (it is committed, and
    nobody knows), for ``finish`` with a move: ``before finish succeed``. Reads, heartbeats
    and other verbs go on: the process looks alive.

    Args:
        point: Where; None: nowhere.
        arrived: Called each time somebody stands there.
    """

    def __init__(self, inner: Backend, point: str | None, arrived: Callable[[str], None]) -> None:
        super().__init__(inner)
        self._point = point or ""
        self._arrived = arrived
        self._opened = asyncio.Event()

    def open_gate(self) -> None:
        """Let all go on, now and later. Called on the event loop."""
        self._opened.set()

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        names = {verb} | {
            f"{verb} {one.move.value}" for one in (asked[0] if verb == "finish" else ())
        }
        await self._pass("before", names)
        answer = await call()
        # A claim that found nothing is no step of any task.
        if answer != []:
            await self._pass("after", names)
        return answer

    async def _pass(self, when: str, names: set[str]) -> None:
        if not self._opened.is_set() and self._point in {f"{when} {name}" for name in names}:
            self._arrived(self._point)
            await self._opened.wait()


class QuickRescue(Forwarding):
    """Shortens the delays that follow repeated deaths, so that a test need not wait for them.

    Args:
        factor: What is left of each delay.
        rescued: Told of each delay as the library chose it, in seconds.
    """

    def __init__(
        self, inner: Backend, factor: float, rescued: Callable[[str, float], None]
    ) -> None:
        super().__init__(inner)
        self._factor = factor
        self._rescued = rescued

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        return await super().finish([self._shortened(one) for one in outcomes])

    def _shortened(self, outcome: Outcome) -> Outcome:
        if outcome.move is not Move.RESCUE:
            return outcome
        self._rescued(outcome.lease.task_id, outcome.delay)
        return outcome._replace(delay=outcome.delay * self._factor)
