"""`TaskAdmin`: the task API and its pages on an app, behind one guard."""

from fastapi_taskflow.admin.taskadmin import LOCAL_ONLY, TaskAdmin

__all__ = ["LOCAL_ONLY", "TaskAdmin"]
