"""What had ended before this start, so that `TaskStore` shows it as if it had happened here."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi_taskflow.backends.base import Query, StoredTask
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.models import TaskRecord
from fastapi_taskflow.words.states import TERMINAL

if TYPE_CHECKING:
    from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Earlier", "remember"]

logger = logging.getLogger(__name__)

_ENDED = Query(statuses=TERMINAL)
# Logs and stack traces beyond it are read when somebody asks for the task.
_MOST_BYTES = 4 * 2**20


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


async def remember(engine: Engine) -> None:
    """Give the store's newest ended tasks to ``engine.store``, without their arguments."""
    limit = engine.settings.keep_finished
    try:
        whole = await engine.backend.search(_ENDED, limit=limit, most_bytes=_MOST_BYTES)
        found: list[StoredTask] = whole.tasks
        if whole.cursor is not None and len(found) < limit:
            rest = await engine.backend.search(
                _ENDED, limit=limit - len(found), cursor=whole.cursor
            )
            found += rest.tasks
    except StoreUnavailable as exc:
        # Nothing depends on it: who asks for a task asks the store.
        logger.warning("Earlier tasks cannot be read: %s", exc)
        return
    for stored in found:
        stored.record.due_at = None
        engine.damaged.look(stored)
    engine.store.remember(Earlier(stored.record for stored in found))
