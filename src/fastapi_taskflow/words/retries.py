"""Why a task is not run again whose key another one has."""

from __future__ import annotations

from fastapi_taskflow.words.errors import TaskStateError

__all__ = ["KeyTaken"]


class KeyTaken(TaskStateError):
    """The task is not run again: another one has its key by now. HTTP 409.

    Attributes:
        task_id: The task that was asked for.
        held_by: Id of the task that has the key.
    """

    def __init__(
        self, task_id: str, held_by: str, *, key: str = "idempotency key", became: str = ""
    ) -> None:
        """``key`` says which kind, and ``became`` what became of the other one, as "succeeded"."""
        super().__init__(
            f"Task {task_id} is not run again: its {key} now belongs to task {held_by}"
            + (f", which {became}." if became else ".")
        )
        self.task_id = task_id
        self.held_by = held_by
