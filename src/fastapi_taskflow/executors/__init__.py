"""Where tasks run."""

from fastapi_taskflow.rules.context import TaskExecutionContext
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["TaskArgumentError", "TaskExecutionContext"]
