"""How a batch is accepted: its row, its tasks and its callbacks in one transaction."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Admission, NewBatch
from fastapi_taskflow.engine.accept.patience import patiently
from fastapi_taskflow.engine.accept.refusals import refused
from fastapi_taskflow.engine.core.core import Core

__all__ = ["add_batch"]


async def add_batch(core: Core, new: NewBatch) -> None:
    """Store a batch; on return it is accepted.

    Raises:
        QueueFullError: a queue is full; only a REJECTED record is stored.
        StoreUnavailable: the store did not answer in time.
    """
    port = core.batches()

    async def write() -> Admission:
        key_ttl = core.settings.idempotency_ttl
        (answer,) = await port.add([new], core.queues.limits(), key_ttl=key_ttl)
        return answer

    if (error := refused(await patiently(core, write))) is not None:
        raise error
