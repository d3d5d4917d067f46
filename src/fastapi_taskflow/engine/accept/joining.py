"""How a task gets in as a part of its caller's own transaction: it is there if that commits.

So it is nobody's before the commit, and whether that comes is only hinted at. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fastapi_taskflow.backends.base import Admission, Inserted, IsOver, Joined, NewBatch, Stored
from fastapi_taskflow.engine.accept.refusals import refused
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.payloads import describe
from fastapi_taskflow.rules.calls import Enqueued
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["Joining"]

# After the commit was called for, until it has come: most take less. Later ones are found by
# the poll.
_FIRST_PAUSE_SECONDS, _LONGEST_WAIT_SECONDS = 0.0005, 0.5


class Joining:
    """Stores tasks in transactions of callers.

    Args:
        hint: Told of a queue in which the store has a task now.
    """

    def __init__(self, core: Core, *, hint: Callable[[str], None]) -> None:
        self._core = core
        self._hint = hint
        # One for each queue, so that a transaction has few of them whatever it stores.
        self._tellers: dict[str, Callable[[IsOver], None]] = {}

    def check(self, registered: Registered) -> None:
        """A function whose tasks can be stored.

        Raises:
            TaskArgumentError: it is not registered, so no instance would find it by its name.
        """
        if self._core.registry.by_name(registered.name) is not registered:
            raise TaskArgumentError(
                f"session= stores the task, and {registered.name!r} is not registered. Register it "
                "with @task_manager.task()."
            )

    def insert(self, joined: Joined, tasks: Sequence[LiveTask]) -> list[Enqueued]:
        """Store tasks that `Intake.make` has made, all or none.

        Raises:
            IdempotencyConflict, QueueFullError: it is not stored; the transaction may go on.
        """
        core = self._core
        new = [describe(task, None) for task in tasks]
        key_ttl = core.settings.idempotency_ttl
        stored = _stored(joined.insert(new, core.queues.limits(), key_ttl=key_ttl))
        both = zip(new, stored, strict=True)
        self._tell(joined, (task.queue for task, one in both if not one.duplicate))
        return [Enqueued(one.task_id, one.duplicate, one.disposition) for one in stored]

    def add_batch(self, joined: Joined, new: NewBatch) -> None:
        """Store a batch.

        Raises:
            QueueFullError: it is not stored; the transaction may go on.
        """
        core = self._core
        key_ttl = core.settings.idempotency_ttl
        _stored(joined.add_batch(new, core.queues.limits(), key_ttl=key_ttl))
        # One without tasks calls at once.
        self._tell(joined, (task.queue for task in (*new.tasks, *new.callbacks.values())))

    def _tell(self, joined: Joined, queues: Iterable[str]) -> None:
        for queue in dict.fromkeys(queues):
            joined.before_commit(self._teller(queue))

    def _teller(self, queue: str) -> Callable[[IsOver], None]:
        def told(is_over: IsOver) -> None:
            self._core.call_soon(self._await, is_over, queue, _FIRST_PAUSE_SECONDS)

        return self._tellers.setdefault(queue, told)

    def _await(self, is_over: IsOver, queue: str, pause: float) -> None:
        if is_over():
            self._hint(queue)
        elif pause < _LONGEST_WAIT_SECONDS:
            self._core.loop.call_later(pause, self._await, is_over, queue, 2 * pause)


def _stored(answer: Admission) -> tuple[Inserted, ...]:
    if isinstance(answer, Stored):
        return answer.tasks
    # To raise takes back what the answer has cost.
    raise refused(answer) or TypeError(answer)
