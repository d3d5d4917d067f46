"""What one response's background runs, for every manager that adds to it."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from enum import Enum
from typing import Any
from weakref import finalize

from fastapi_taskflow.app.strays import StrayItem
from fastapi_taskflow.app.unbound import Unbound, forget
from fastapi_taskflow.app.unit import Unit
from fastapi_taskflow.engine.crossing import hand_over
from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Bond", "Units"]


class Bond(Enum):
    """Who stores the durable tasks of a response."""

    REQUEST = "the request's exits, before the response"
    CALL = "whoever awaits the object, outside a request"
    NONE = "nobody"


class Units:
    """The units of work of one response, one per manager.

    Two managers have two stores, so their tasks are no common transaction: if the second
    store refuses, the first one's tasks are accepted already.
    """

    __slots__ = ("__weakref__", "_closed", "_units", "beside", "bond")

    def __init__(self, bond: Bond) -> None:
        self.bond = bond
        # Tasks that would go to a queue, if an engine ran: it, or whoever awaits, runs them.
        self.beside: list[StrayItem] = []
        self._units: list[Unit] = []
        self._closed = False
        if bond is Bond.CALL:
            # Its units do not know it, so that it goes when nobody has it any more.
            finalize(self, forget, self._units).atexit = False

    def unit(self, engine: Engine) -> Unit:
        """The unit of this engine's tasks; made when it is first asked for."""
        for unit in self._units:
            if unit.engine is engine:
                return unit
        kind = Unbound if self.bond is Bond.CALL else Unit
        unit = kind(engine, closed=self._closed)
        self._units.append(unit)
        return unit

    def commit_now(self) -> bool:
        """`commit`, where no task needs a store; False where `commit` has something to do."""
        for unit in self._units:  # noqa: SIM110  (a generator costs more than what it asks)
            if not unit.commit_now():
                return False
        return True

    async def commit(self) -> None:
        """The endpoint returned: store the tasks."""
        for unit in self._units:
            await _there(unit, unit.commit())

    def discard(self) -> None:
        """The endpoint raised."""
        for unit in self._units:
            unit.discard()

    async def answer(self) -> None:
        """The background begins to run. Outside a request, this raises where a store refuses."""
        for unit in self._units:
            if unit.answer_now():
                continue
            late = self.bond is not Bond.CALL
            await _there(unit, unit.answer_late() if late else unit.answer())

    def skip_lanes(self) -> None:
        """The background has ended, perhaps before its end."""
        for unit in self._units:
            unit.skip_lane()

    def close_now(self) -> bool:
        """`close`, where everything has run; False where `close` has something to do."""
        self._closed = True
        for unit in self._units:  # noqa: SIM110
            if not unit.close_now():
                return False
        return True

    async def close(self, *, failed: bool) -> None:
        """The request's scope ends; see `Unit.close`."""
        self._closed = True
        for unit in self._units:
            await _there(unit, unit.close(failed=failed))


def _there(unit: Unit, step: Coroutine[Any, Any, None]) -> Awaitable[None]:
    """Run a step on the loop of the unit's engine: this one, or that of another test client."""
    return step if unit.engine.core.is_here() else hand_over(step, unit.engine)
