"""The services of one engine, and what follows for one from what another reports.

A service knows the core, what stands below it, and callbacks. What concerns several of them is
done here, and so is what one tells another that is made after it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.engine.accept.commits import Commits
from fastapi_taskflow.engine.accept.intake import Intake
from fastapi_taskflow.engine.accept.joining import Joining
from fastapi_taskflow.engine.changes.changes import Changes
from fastapi_taskflow.engine.changes.feed import Feed
from fastapi_taskflow.engine.changes.mirroring import Mirror
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.payloads import keep
from fastapi_taskflow.engine.core.pools import Pool
from fastapi_taskflow.engine.core.settings import Settings
from fastapi_taskflow.engine.core.taskstore import TaskStore
from fastapi_taskflow.engine.end.interventions import Interventions
from fastapi_taskflow.engine.end.settling import Settling
from fastapi_taskflow.engine.fleet.fleet import Fleet
from fastapi_taskflow.engine.run.adoption import Adoption
from fastapi_taskflow.engine.run.attempts import Attempts
from fastapi_taskflow.engine.run.calls import Calls
from fastapi_taskflow.engine.run.claims import Claims
from fastapi_taskflow.engine.run.dispatcher import Dispatcher
from fastapi_taskflow.engine.run.hints import Hints
from fastapi_taskflow.engine.run.lanes import Lanes
from fastapi_taskflow.engine.run.lateness import Lateness
from fastapi_taskflow.engine.run.places import Places
from fastapi_taskflow.engine.run.starts import Starts
from fastapi_taskflow.engine.run.unreadable import Unreadable
from fastapi_taskflow.engine.upkeep.housekeeping import Housekeeping
from fastapi_taskflow.engine.upkeep.scheduler import Scheduler
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.loggers.base import TaskObserver
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.words.clock import Clock

__all__ = ["Services"]


class Services:
    """Made once per start, on the event loop.

    Args:
        store: Where the tasks of this process can be looked up.
        executors: Where functions run, by name.
        observer: Told of lifecycle events and log lines.
    """

    def __init__(  # noqa: PLR0913  (what a program is put together from)
        self,
        backend: Backend,
        registry: TaskRegistry,
        store: TaskStore,
        settings: Settings,
        *,
        clock: Clock,
        executors: Mapping[str, Executor],
        observer: TaskObserver | None = None,
    ) -> None:
        pools = [Pool(name, executor) for name, executor in executors.items()]
        self.core = Core(backend, registry, store, settings, clock=clock, pools=pools)
        self.backend = backend
        self.registry = registry
        self.store = store
        self.settings = settings
        self.clock = clock
        self.loop = self.core.loop
        self.queues = self.core.queues
        watching = observer if "observe" in settings.roles else None
        self.feed = Feed(watching, clock, self.core.supervisor)
        self.mirror = Mirror(self.core, self.feed, self._cancel_asked)
        self.changes = Changes(self.feed, self.mirror, self.core.ends)
        self._make_ends()
        self._make_runs(executors)
        self._make_claims()
        self._make_fronts()

    def _make_ends(self) -> None:
        self.settling = Settling(
            self.core,
            self.changes,
            over=self._over,
            again=self._again,
            lost=self._lost,
            delayed=self._delayed,
        )
        self.interventions = Interventions(
            self.core, self.changes, self.mirror, self.settling, over=self._over, lost=self._lost
        )

    def _make_runs(self, executors: Mapping[str, Executor]) -> None:
        core, settling = self.core, self.settling
        self.places = Places(executors)
        self.attempts = Attempts(
            core, self.mirror, self.places, ended=settling.ended, released=self._released
        )
        calls = Calls(
            core,
            self.changes,
            settling,
            self.attempts,
            released=self._released,
            lane_started=self._lane_started,
        )
        self.hints = Hints(core)
        self.starts = Starts(
            core,
            calls,
            let_go=self._let_go,
            settle=settling.settle,
            lost=self._lost,
        )
        self.lateness = Lateness(core, relieved=self._relieved)
        self.dispatcher = Dispatcher(core, self.hints, self.starts, has_room=self._has_room)
        self.lanes = Lanes(core, self.dispatcher, give_back=self.interventions.give_back)

    def _make_claims(self) -> None:
        core, settling = self.core, self.settling
        self.unreadable = Unreadable(core, settling.settle)
        adoption = Adoption(
            core,
            self.changes,
            self.unreadable,
            settle=settling.settle,
            give_back=self.interventions.give_back,
            in_lane=self.lanes.__contains__,
        )
        self.claims = Claims(
            core, self.hints, self.dispatcher, adopt=adoption.adopt, has_room=self._has_room
        )

    def _make_fronts(self) -> None:
        self.commits = Commits(
            self.core,
            self.changes,
            may_hold=self.dispatcher.may_hold,
            run_when_due=self.dispatcher.run_when_due,
            hint_after=self.hints.hint_after,
        )
        self.joining = Joining(self.core, hint=self.hints.hint)
        self.intake = Intake(self.core, rejected=self.commits.rejected)
        self.fleet = Fleet(self.core, self.changes, self.interventions, self.hints)
        self.housekeeping = Housekeeping(self.core, hint=self.hints.hint)
        self.scheduler = Scheduler(self.core, hint=self.hints.hint)

    def _has_room(self) -> bool:
        """More may start: ends do not pile up, and the event loop is in time."""
        return self.settling.has_room() and not self.lateness.is_late

    def _relieved(self) -> None:
        """The event loop is in time again."""
        self.dispatcher.pump()
        self.hints.nudge()

    def _cancel_asked(self, task: LiveTask) -> None:
        """The store knows that somebody wants the task to end."""
        self.interventions.ask_cancel(task)

    def _lane_started(self, task: LiveTask) -> None:
        """A response's background waits for it, and it has a slot now."""
        self.lanes.started(task.record.task_id)

    def _delayed(self, task: LiveTask) -> None:
        """Its end takes the store long: no connection waits for that."""
        if task.lane:
            self.lanes.give_up(task.record.task_id)

    def _let_go(self, task: LiveTask) -> None:
        """It leaves its slots, and was not called."""
        self.dispatcher.let_go(task)

    def _released(self, task: LiveTask) -> None:
        """An attempt's slots are free."""
        self.dispatcher.released(task)
        if self.core.draining:
            self.core.progress.set()

    def _again(self, task: LiveTask, delay: float) -> None:
        """PENDING again: a retry, a snooze, or given back."""
        core, record = self.core, task.record
        task.attempt = None
        task.ready_at = core.clock.monotonic() + delay
        if task.lane:
            if delay > 0:
                self.lanes.leave(record.task_id)
            else:
                self.lanes.parked(record.task_id)
        if task.durable:
            task.held = False
            core.store.settle(task)
            self.hints.hint_after(record.queue, delay)
            self._freed(task)
        elif delay > 0:
            self.dispatcher.run_in(task, delay)
        else:
            self.dispatcher.submit(task)
        if core.draining:
            core.progress.set()

    def _over(self, task: LiveTask) -> None:
        """Terminal."""
        task.attempt = None
        task.context = None
        if not task.durable:
            keep(self.core, task)
        self.core.queues.get(task.record.queue).finished += 1
        if task.record.batch_id is not None:
            # A callback may be due now, or the next step, in any queue.
            self.hints.hint()
        self._gone(task)

    def _lost(self, task: LiveTask) -> None:
        """The lease is not ours any more; the store knows how the task goes on."""
        self._gone(task)
        self.fleet.refresh(task)

    def _gone(self, task: LiveTask) -> None:
        """It is held here no longer."""
        core = self.core
        task.held = False
        core.queues.uncount(task)
        core.store.settle(task)
        self._freed(task)
        if task.lane:
            self.lanes.leave(task.record.task_id)
        if core.draining:
            core.progress.set()

    def _freed(self, task: LiveTask) -> None:
        """Its lease counts no more: under a limit, another task may start in its place."""
        for queue in self.core.limiting.freed(task):
            self.hints.hint(queue)
