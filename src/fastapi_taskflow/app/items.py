"""What stands in a response's background chain for a task that the engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask

from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.crossing import hand_over

if TYPE_CHECKING:
    from fastapi_taskflow.app.unit import Unit

__all__ = ["LaneItem"]


class LaneItem(BackgroundTask):
    """The chain waits for its attempts.

    ``func`` is the user's function, so FastAPI's telemetry names the right thing.
    """

    def __init__(self, unit: Unit, task: LiveTask) -> None:
        # Not super().__init__, which would inspect the function for every task.
        self.func = task.registered.func
        self.is_async = True
        self._unit = unit
        self._task = task

    @property
    def args(self) -> Any:  # type: ignore[override]  # the base has an attribute
        """The task's, which lets go of them at its end; the chain lives on."""
        return self._task.args

    @property
    def kwargs(self) -> Any:  # type: ignore[override]
        return self._task.kwargs

    async def __call__(self) -> None:
        unit = self._unit
        if unit.engine.is_here():
            await unit.run_in_lane(self._task)
        else:
            await hand_over(unit.run_in_lane(self._task), unit.engine)
