"""Tasks that their functions end in transactions of their own, with what they do there."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from functools import partial

from fastapi_taskflow.backends.base import Joined, Outcome, Result
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.loops import loop_runs_here
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.engine.run.returning import returned
from fastapi_taskflow.rules.ends import Returned
from fastapi_taskflow.words.errors import ConfigurationError, TaskStateError
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.said import Completion
from fastapi_taskflow.words.states import Move

__all__ = ["Completing"]


class Completing:
    """Puts the end of an attempt into its function's transaction. From any thread.

    When the function returns the engine ends the task as ever; what the commit has ended already
    stays as it is.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def answer(self, attempt: Attempt, order: Completion) -> Awaitable[None]:
        """Do as `TaskContext.complete_in` says, or give what does when it is awaited."""
        core, task = self._core, attempt.task
        if not task.durable:
            raise ConfigurationError(
                f"complete_in(session) is for durable tasks: register {task.record.func_name!r} "
                "with persist=True."
            )
        transactions = core.transactions()
        step = partial(_end, outcome=self._outcome(attempt, order.result))
        if attempt.over:
            raise _lost(task.record.task_id)
        if transactions.is_async(order.session):
            if not loop_runs_here():
                raise ConfigurationError(
                    "complete_in() cannot wait for an async session in a plain function. Use a "
                    "Session, or make it `async def` and: await context.complete_in(session)"
                )
            return transactions.run_async(order.session, core.instance_id, step)
        transactions.run(order.session, core.instance_id, step)
        return _Done()

    def _outcome(self, attempt: Attempt, value: object) -> Outcome:
        task = attempt.task
        told = Returned(value)
        found = told.value if value is None else returned(self._core, attempt, told).value
        journal = task.journal
        # All lines, and none is taken: the transaction may be rolled back.
        lines = () if journal is None else tuple(journal.shown([]))
        return Outcome(
            task.lease,
            Move.SUCCEED,
            elapsed=self._core.clock.monotonic() - attempt.begun,
            logs=lines,
            logs_anew=bool(lines),
            result=found if isinstance(found, Result) else None,
        )


def _end(joined: Joined, outcome: Outcome) -> None:
    settled = joined.finish(outcome)
    if settled is None or settled.status is not TaskStatus.SUCCESS:
        raise _lost(outcome.lease.task_id)


def _lost(task_id: str) -> TaskStateError:
    return TaskStateError(
        f"Task {task_id} is not this run's any more: it timed out, was stopped, another instance "
        "has it, or complete_in() has ended it in an earlier transaction. Roll this one back."
    )


class _Done(Awaitable[None]):
    """For who awaits what a session that blocks has done already."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield
