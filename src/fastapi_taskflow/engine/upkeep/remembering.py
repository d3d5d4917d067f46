"""At the start, the newest ended tasks of the store are looked at once."""

from __future__ import annotations

import logging

from fastapi_taskflow.backends.base import Query, StoredTask
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.core.earlier import Earlier
from fastapi_taskflow.words.errors import StoreUnavailable
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["remember"]

logger = logging.getLogger(__name__)

_ENDED = Query(statuses=TERMINAL)
# Logs and stack traces beyond it are read when somebody asks for the task.
_MOST_BYTES = 4 * 2**20


async def remember(core: Core) -> None:
    """Give the store's newest ended tasks to ``core.store``, without their arguments."""
    limit = core.settings.keep_finished
    try:
        whole = await core.backend.search(_ENDED, limit=limit, most_bytes=_MOST_BYTES)
        found: list[StoredTask] = whole.tasks
        if whole.cursor is not None and len(found) < limit:
            rest = await core.backend.search(_ENDED, limit=limit - len(found), cursor=whole.cursor)
            found += rest.tasks
    except StoreUnavailable as exc:
        # Nothing depends on it: who asks for a task asks the store.
        logger.warning("Earlier tasks cannot be read: %s", exc)
        return
    for stored in found:
        stored.record.due_at = None
        core.damaged.look(stored)
    core.store.remember(Earlier(stored.record for stored in found))
