"""Everything that people can do with one manager's tasks, in one object."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Grade
from fastapi_taskflow.operations import (
    cancelling,
    fleet,
    purging,
    queueing,
    reading,
    retrying,
)
from fastapi_taskflow.operations import health as state
from fastapi_taskflow.operations import metrics as totals
from fastapi_taskflow.operations import series as spread
from fastapi_taskflow.operations.desk import Desk

__all__ = ["Operations"]


class Operations(Desk):
    """Looking and acting, from any instance; each method stands in its module.

    Acts take ``actor``, who does it, for the audit.

    Raises:
        EngineNotRunning: from every method, without a running engine.
        StoreUnavailable: from every method but `health`, when the store does not answer.
    """

    @property
    def grade(self) -> Grade:
        """What an accepted durable task survives."""
        return self.engine.backend.grade

    get = reading.get
    inspect = reading.inspect
    search = reading.search
    count = reading.count
    audit = reading.audit
    metrics = totals.metrics
    lately = spread.lately
    series = spread.series
    functions = fleet.functions
    instances = fleet.instances
    health = state.health

    cancel = cancelling.cancel
    retry = retrying.retry
    retry_many = retrying.retry_many
    retry_failed = retrying.retry_failed
    purge_history = purging.purge_history

    queues = queueing.queues
    pause = queueing.pause
    resume = queueing.resume
    update_queue = queueing.update_queue
