"""Which of the tasks that this instance holds runs next: into a slot, or in line for one."""

from __future__ import annotations

from collections.abc import Callable

from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.run.hints import Hints
from fastapi_taskflow.engine.run.starts import Starts
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Dispatcher"]


class Dispatcher:
    """Starts what may start.

    Args:
        has_room: More may start here: it can end, and requests do not suffer.
    """

    def __init__(
        self, core: Core, hints: Hints, starts: Starts, *, has_room: Callable[[], bool]
    ) -> None:
        self._core = core
        self._queues = core.queues
        self._hints = hints
        self._starts = starts
        self._has_room = has_room
        self._pump_scheduled = False
        # Ids of quarantined tasks that hold a slot here; at most one at a time.
        self.suspects: set[str] = set()
        # Lines move. Before and after, accepted tasks only stand in them.
        self.begun = False

    def run_when_due(self, task: LiveTask) -> None:
        """Submit a held task at its due time."""
        delay = task.due_in(self._core.clock)
        if delay:
            task.ready_at = self._core.clock.monotonic() + delay
        if delay > 0:
            self.run_in(task, delay)
        else:
            self.submit(task)

    def run_in(self, task: LiveTask, seconds: float) -> None:
        """Submit a held task in a while."""
        task.timer = self._core.loop.call_later(seconds, self._due, task)

    def _due(self, task: LiveTask) -> None:
        task.timer = None
        if task.held and task.record.status is TaskStatus.PENDING:
            self.submit(task)

    def submit(self, task: LiveTask, *, at_once: bool = False) -> None:
        """Let a held task stand in line, which moves at the end of this loop iteration.

        So tasks that were accepted together start in their order.

        Args:
            at_once: Start it now if it can start; as for `Attempts.run`.
        """
        may_run = self._queues.may_run(task) and self._may_start
        if may_run and at_once:
            self._queues.take(task)
            self._starts.begin(task, at_once=True)
            return
        self._queues.push(task)
        if may_run:
            self.pump()

    def released(self, task: LiveTask) -> None:
        """A task whose function was called left its slots."""
        self._starts.ended(task)
        self.let_go(task)

    def let_go(self, task: LiveTask) -> None:
        """A task left its slots."""
        self._queues.release(task)
        if self.suspects:
            self.suspects.discard(task.record.task_id)
        if self._hints.queues or self._queues.standing:
            self.pump()

    def pump(self) -> None:
        """Fill free slots at the end of this loop iteration."""
        if not self._pump_scheduled:
            self._pump_scheduled = True
            self._core.loop.call_soon(self._pump)

    def may_hold(self, task: LiveTask) -> bool:
        """A new task should be born claimed: it could start now, and none waits before it.

        Then a slot is reserved for it: what comes beside it is left to whoever has another.
        """
        return (
            self._may_start
            and self._hints.claims_from(task.record.queue)
            and task.record.queue not in self._hints.queues
            and self._queues.running < self._core.settings.claim_window
            and not self._is_paused(task)
            and self._queues.reserve(task)
        )

    def _is_paused(self, task: LiveTask) -> bool:
        pauses, record = self._queues.pauses, task.record
        return pauses.hold(record.func_name, record.order_key, record.tags)

    def begin(self) -> None:
        """Let the lines move."""
        self.begun = True
        self.pump()

    def halt(self) -> None:
        """Nothing starts here any more."""
        self.begun = False

    def fill(self) -> None:
        """Start what can be started now."""
        while self._may_start and (task := self._queues.next_ready()) is not None:
            self._starts.begin(task)

    @property
    def _may_start(self) -> bool:
        return self.begun and self._has_room()

    def _pump(self) -> None:
        self._pump_scheduled = False
        self.fill()
        if self._hints.queues:
            self._hints.nudge()
