"""What a caller is told whose tasks the store did not take."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fastapi_taskflow.backends.base import Admission, KeyConflict, QueueIsFull, RetryRefused
from fastapi_taskflow.engine.core.notices import notify
from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import (
    AlreadyRetried,
    IdempotencyConflict,
    QueueFullError,
    StoreUnavailable,
    TaskArgumentError,
    TaskflowError,
    TaskNotFound,
    TaskStateError,
)
from fastapi_taskflow.words.retries import KeyTaken

__all__ = ["refused", "unstorable"]

logger = logging.getLogger(__name__)


def unstorable(functions: Iterable[str], error: Exception | None) -> TaskflowError:
    """The store raised something that it should not: for a value, or for a defect."""
    names = ", ".join(sorted(map(repr, set(functions))))
    notify(logger, logging.ERROR, "Tasks of %s could not be stored", names, error=error)
    reason = "" if error is None else error_text(error)
    if isinstance(error, TypeError | ValueError | OverflowError):
        return TaskArgumentError(f"Tasks of {names} cannot be stored: {reason}")
    return StoreUnavailable(f"The store could not take tasks of {names}: {reason}")


def refused(admission: Admission | None) -> TaskflowError | None:
    """Why tasks were not stored, if they were not."""
    match admission:
        case KeyConflict(key, task_id):
            return IdempotencyConflict(key, task_id)
        case QueueIsFull(queue, max_size, task_id):
            return QueueFullError(queue, max_size, task_id=task_id)
        case RetryRefused():
            return _not_retried(admission)
        case _:
            return None


def _not_retried(refused: RetryRefused) -> TaskflowError:
    if refused.retried_as is not None:
        return AlreadyRetried(refused.task_id, refused.retried_as)
    if refused.holder is not None:
        return KeyTaken(refused.task_id, refused.holder)
    if refused.status is not None:
        return TaskStateError(
            f"Task {refused.task_id} is {refused.status.value}; only tasks that ended without "
            "success can be retried."
        )
    return TaskNotFound(f"Task {refused.task_id} not found")
