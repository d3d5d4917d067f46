"""Events to show to observers, and observers that misbehave on request."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fastapi_taskflow.loggers import LifecycleEvent, LogEvent
from fastapi_taskflow.models import TaskStatus

TASK_ID = "0193a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b"
NOON = datetime(2026, 4, 30, 12, 0, 0, 987_654, tzinfo=UTC)

Said = Callable[..., LogEvent]
Became = Callable[..., LifecycleEvent]


@pytest.fixture
def said() -> Said:
    def make(message: str = "hello", level: str = "info") -> LogEvent:
        return LogEvent(TASK_ID, "send_email", message, level, NOON, 0)

    return make


@pytest.fixture
def became() -> Became:
    def make(status: TaskStatus = TaskStatus.SUCCESS, error: str | None = None) -> LifecycleEvent:
        return LifecycleEvent(TASK_ID, "send_email", status, NOON, 0, error=error)

    return make
