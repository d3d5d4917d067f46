"""What a running task may know of itself, and tell: public data, as in `models`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi_taskflow.words import said
from fastapi_taskflow.words.errors import Cancel, ConfigurationError
from fastapi_taskflow.words.said import Say

__all__ = ["TaskContext"]


@dataclass
class TaskContext:
    """What a running task may know of itself; see `get_task_context`.

    ``attempt`` is the number of attempts that failed before this one: 0 on the first
    run, 1 on the first retry. ``fence`` grows with every claim of the task and can guard
    writes to outside systems against an older run that was believed dead.
    """

    task_id: str
    func_name: str
    attempt: int
    tags: dict[str, str] = field(default_factory=dict)
    # Beyond the specification
    fence: int = 0
    _asked: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)
    _say: Say = field(default=lambda _: None, repr=False, compare=False)
    batch_id: str | None = None

    @property
    def cancelled(self) -> bool:
        """True once somebody asked to cancel this task, or its attempt is over: it timed out,
        a shutdown's time ran out, or another instance has the task.
        """
        return self._asked() in ("cancel", "timeout", "over")

    @property
    def stopping(self) -> bool:
        """True once this instance drains: finish soon, or save what must not be lost."""
        return self._asked() is not None

    def check_cancelled(self) -> None:
        """Raise `Cancel` if the task was asked to stop; call it between steps of a thread.

        Raises:
            Cancel: cancel was asked for, or the attempt is over; see `cancelled`.
        """
        if self.cancelled:
            raise Cancel("cancelled on request")

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the task has come; `TaskRecord.progress` shows the latest.

        From any thread, as often as is convenient: it is stored a few times a second at most,
        and its last value with the task's end. A retry shows it until it reports its own.

        Args:
            done: Of ``total``, in units of the task's own. From 0 up.
            total: None: nobody knows. It may be less than ``done``, where it was an estimate.
            message: One line for people, up to 1 KiB; secrets among the arguments are hidden.

        Raises:
            TaskArgumentError: an amount is no finite number from 0 up.
        """
        self._say(said.progress(done, total, message))

    def summary(self, text: str) -> None:
        """Say in one line what the task did; `TaskRecord.summary` shows the latest.

        Stored as progress is, and kept with the task's end whatever that is. A retry shows it
        until it says its own.

        Args:
            text: Up to 500 characters; secrets among the arguments are hidden.
        """
        self._say(said.summary(text))

    def emit(self, data: Any) -> None:
        """Send a value to whoever watches the task; see ``status_router``.

        The newest 100 values, or 64 KiB of them, are kept with the task and stored as its
        progress is. Secrets among the arguments are hidden.

        Args:
            data: What JSON can say, up to 16 KiB of it.

        Raises:
            TaskArgumentError: it is not, or longer.
        """
        self._say(said.emitted(data))

    def complete_in(self, session: Any, result: Any = None) -> Awaitable[None]:
        """End this task with SUCCESS in your own transaction, which commits it with its effects.

        Commit next, and return: what the function returns or raises after that changes nothing.
        Until the commit nobody else can have the task. For an async session ``await`` this.

        Args:
            session: Of SQLAlchemy or SQLModel, or a connection, on the task store's database.
            result: What the task returns.

        Raises:
            TaskStateError: this run has lost its task, or ended it in an earlier transaction:
                roll back.
            ConfigurationError: another database, a task that is not durable, or in a process.
            StoreUnavailable: the database did not answer, or the transaction has to begin again.
        """
        order = said.Completion(session, result)
        self._say(order)
        if order.answer is None:
            raise ConfigurationError("complete_in(session) is for a task that is running.")
        return order.answer
