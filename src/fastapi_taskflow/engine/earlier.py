"""What had ended before this start, so that `TaskStore` shows it as if it had happened here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi_taskflow.backends.base import Query, StoredTask
from fastapi_taskflow.errors import StoreUnavailable
from fastapi_taskflow.states import TERMINAL

if TYPE_CHECKING:
    from fastapi_taskflow.engine.engine import Engine

__all__ = ["remember"]

logger = logging.getLogger(__name__)

_ENDED = Query(statuses=TERMINAL)
# Logs and stack traces beyond it are read when somebody asks for the task.
_MOST_BYTES = 4 * 2**20


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
    engine.store.remember(stored.record for stored in found)
