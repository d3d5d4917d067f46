"""Every exception that the library raises on purpose.

One base, four families: configuration (wrong settings or decorators), admission
(a task was not accepted), storage (the backend could not answer) and execution
(words that a task may raise to say how its attempt should end).
"""

from __future__ import annotations

import sys

from fastapi_taskflow.words.addresses import hide_passwords
from fastapi_taskflow.words.quoting import quoted

__all__ = [
    "AlreadyRetried",
    "BulkNotFound",
    "Cancel",
    "ConfigurationError",
    "EngineNotRunning",
    "FailureNotFound",
    "IdempotencyConflict",
    "PayloadUnreadable",
    "QueueFullError",
    "QueueNotFound",
    "RequestClosed",
    "ResultUnavailable",
    "Retry",
    "ScheduleNotFound",
    "SealUnopened",
    "Snooze",
    "StoreFull",
    "StoreUnavailable",
    "TaskArgumentError",
    "TaskCancelled",
    "TaskFailed",
    "TaskNotFound",
    "TaskStateError",
    "TaskflowError",
    "UnknownTaskFunction",
    "UsersUnavailable",
    "WrongThread",
]


class TaskflowError(Exception):
    """Base of every error of this library. Its message shows no password of an address."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(hide_passwords(one) if isinstance(one, str) else one for one in args))


# Configuration


class ConfigurationError(TaskflowError, ValueError):
    """A setting, decorator or option cannot work. Raised where it is written."""


class EngineNotRunning(TaskflowError, RuntimeError):
    """A durable task was added while no engine runs in this process.

    Use ``with TestClient(app)``, install the manager on the root app, or run inside
    ``async with task_manager``.
    """


class RequestClosed(TaskflowError, RuntimeError):
    """A durable task was added on the event loop after its request was answered.

    Nothing would wait for its commit any more: use ``await task_manager.enqueue(...)``.
    """


class WrongThread(TaskflowError, RuntimeError):
    """A call that blocks was made on the event loop that it would wait for."""


# Admission


class TaskArgumentError(TaskflowError, ValueError, TypeError):
    """A task's arguments or options cannot be: they do not fit, or cannot be stored.

    What Python itself says with a `TypeError` (a missing argument) or a `ValueError`.
    """


class QueueFullError(TaskflowError, RuntimeError):
    """The queue holds ``max_size`` tasks that have not started, or drains. HTTP 429.

    Attributes:
        queue: The queue's name.
        max_size: Its limit; 0 of one that drains.
        task_id: Id of the REJECTED record that was kept, if one was.
        retry_after: Seconds after which another try makes sense.
    """

    def __init__(
        self, queue: str, max_size: int, *, task_id: str | None = None, retry_after: float = 1.0
    ) -> None:
        super().__init__(
            f"Queue {queue!r} is full: {max_size} tasks wait in it already. "
            f"Try again in {retry_after:g} s, or raise its max_size."
            if max_size
            else f"Queue {queue!r} takes no new tasks: it drains, or its max_size is 0. "
            "Resume it, or raise its max_size."
        )
        self.queue = queue
        self.max_size = max_size
        self.task_id = task_id
        self.retry_after = retry_after


class IdempotencyConflict(TaskflowError, ValueError):
    """The idempotency key is held by a task with another function or arguments. HTTP 409.

    Attributes:
        key: The idempotency key.
        task_id: Id of the task that holds it.
    """

    def __init__(self, key: str, task_id: str) -> None:
        super().__init__(
            f"Idempotency key {key!r} is held by task {task_id}, which has another function "
            "or other arguments. Use a new key for different work."
        )
        self.key = key
        self.task_id = task_id


# Operations on one task


class TaskNotFound(TaskflowError, LookupError):
    """No task has this id. HTTP 404."""


class FailureNotFound(TaskflowError, LookupError):
    """No attempt has failed so. HTTP 404."""


class BulkNotFound(TaskflowError, LookupError):
    """No action on many tasks has this id. HTTP 404."""


class QueueNotFound(ConfigurationError, KeyError):
    """No queue has this name. HTTP 404."""

    # KeyError would show the message as a key, in quotes.
    __str__ = Exception.__str__


class ScheduleNotFound(TaskflowError, LookupError):
    """No schedule has this name. HTTP 404."""


class UnknownTaskFunction(TaskflowError, LookupError):
    """No function of this name is registered in this process. HTTP 409."""


class TaskStateError(TaskflowError, ValueError):
    """The task's state does not allow the operation. HTTP 400."""


class AlreadyRetried(TaskStateError):
    """The task was retried before; retry its retry instead. HTTP 409.

    Attributes:
        task_id: The task that was asked for.
        retried_as: Id of the retry that exists.
    """

    def __init__(self, task_id: str, retried_as: str) -> None:
        super().__init__(
            f"Task {task_id} was already retried as {retried_as}. Retry that task instead."
        )
        self.task_id = task_id
        self.retried_as = retried_as


# Storage


class StoreUnavailable(TaskflowError, RuntimeError):
    """The backend could not commit in time; nothing was accepted. HTTP 503.

    Attributes:
        retry_after: Seconds after which another try makes sense.
    """

    def __init__(self, message: str, *, retry_after: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreFull(StoreUnavailable):
    """The disk under the backend is full; nothing was accepted. HTTP 503."""


class UsersUnavailable(StoreUnavailable):
    """A `TaskAuthBackend` did not answer; nobody was let in. HTTP 503."""


class PayloadUnreadable(TaskflowError, ValueError):
    """Stored arguments cannot be read back.

    Attributes:
        damaged: They are not what was ever stored. If not, they may be what a newer version
            of the code has stored, with a class, field or enum member that is not known here.
    """

    def __init__(self, message: str, *, damaged: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged


class SealUnopened(PayloadUnreadable):
    """Stored data is encrypted, and no key here opens it (or it was tampered with)."""


# Execution: how a task ended whose result somebody waits for


class TaskFailed(TaskflowError):
    """The task failed, was interrupted, or was never accepted.

    Attributes:
        task_id: The one that failed: the last retry, if it was retried by hand.
        error: The text of its record; the exception itself stays where it was raised.
    """

    def __init__(self, task_id: str, error: str | None = None) -> None:
        super().__init__(f"Task {task_id} failed: {error}")
        self.task_id = task_id
        self.error = error


class TaskCancelled(TaskflowError):
    """The task was cancelled; attributes as of `TaskFailed`."""

    def __init__(self, task_id: str, error: str | None = None) -> None:
        super().__init__(f"Task {task_id} was cancelled" + (f": {error}" if error else ""))
        self.task_id = task_id
        self.error = error


class ResultUnavailable(TaskflowError, LookupError):
    """There is no such task, or it succeeded and its result is not there; the text says why."""


# Execution: raised by a task to say how its attempt ends


def _seconds(what: str, value: float) -> float:
    """As `limits.span`, which knows these errors."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 <= value <= sys.float_info.max:
        return float(value)
    raise ConfigurationError(f"{what} takes seconds from 0 up, got {quoted(value)}.")


class Retry(TaskflowError):
    """Raise in a task to fail this attempt and ask for another.

    Counts as a failed attempt: it is retried only while retries are left.

    Args:
        after: Seconds to wait; None uses the task's own delay and backoff.
        reason: Text for the record's ``error``.
    """

    def __init__(self, after: float | None = None, reason: str | None = None) -> None:
        super().__init__(reason or "retry requested")
        self.after = None if after is None else _seconds("Retry(after=...)", after)
        self.reason = reason


class Snooze(TaskflowError):
    """Raise in a task to run it again later without spending a retry.

    Args:
        seconds: How long to wait, from 0 up.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = _seconds("Snooze(...)", seconds)
        super().__init__(f"snoozed for {self.seconds:g} s")


class Cancel(TaskflowError):
    """Raise in a task to end it as CANCELLED, without a retry.

    Args:
        reason: Text for the record's ``error``.
    """

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "cancelled by the task")
        self.reason = reason
