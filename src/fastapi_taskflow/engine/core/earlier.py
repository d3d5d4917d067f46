"""What had ended before this start, so that `TaskStore` shows it as if it had happened here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fastapi_taskflow.words.models import TaskRecord

__all__ = ["Earlier"]


class Earlier:
    """Records by id, newest first; ended, so they do not change."""

    def __init__(self, records: Iterable[TaskRecord] = ()) -> None:
        self.records = {record.task_id: record for record in records}
        # Of several with one key the newest.
        self.keys = {
            record.idempotency_key: record.task_id
            for record in reversed(self.records.values())
            if record.idempotency_key is not None
        }

    def purge(self, before: datetime) -> list[str]:
        """Forget what ended before an instant; the ids of it."""
        old = [
            record.task_id
            for record in self.records.values()
            if record.end_time is not None and record.end_time < before
        ]
        for task_id in old:
            del self.records[task_id]
        return old
