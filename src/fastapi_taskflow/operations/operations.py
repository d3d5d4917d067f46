"""Everything that people can do with one manager's tasks, in one object."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Grade
from fastapi_taskflow.operations import (
    auditing,
    batching,
    bulk,
    cancelling,
    dates,
    fleet,
    pausing,
    purging,
    queueing,
    reading,
    rerunning,
    results,
    retrying,
    scheduling,
)
from fastapi_taskflow.operations import failures as grouped
from fastapi_taskflow.operations import health as state
from fastapi_taskflow.operations import metrics as totals
from fastapi_taskflow.operations import schedules as looking
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
    result = results.result
    inspect = reading.inspect
    log = reading.log
    search = reading.search
    count = reading.count
    audit = reading.audit
    verify_audit = auditing.verify_audit
    metrics = totals.metrics
    lately = spread.lately
    series = spread.series
    failures = grouped.failures
    count_failures = grouped.count_failures
    failure = grouped.failure
    functions = fleet.functions
    instances = fleet.instances
    health = state.health

    cancel = cancelling.cancel
    retry = retrying.retry
    form = rerunning.form
    run_again = rerunning.run_again
    retry_many = retrying.retry_many
    retry_failed = retrying.retry_failed
    purge_history = purging.purge_history
    preview_purge = purging.preview_purge

    preview_bulk = bulk.preview_bulk
    start_bulk = bulk.start_bulk
    get_bulk = bulk.get_bulk
    list_bulk = bulk.list_bulk
    cancel_bulk = bulk.cancel_bulk

    queues = queueing.queues
    drain = queueing.drain
    pause = pausing.pause
    resume = pausing.resume
    pauses = pausing.pauses
    update_queue = queueing.update_queue

    get_batch = batching.get_batch
    list_batches = batching.list_batches
    cancel_batch = batching.cancel_batch
    retry_batch = batching.retry_batch

    list_schedules = looking.list_schedules
    get_schedule = looking.get_schedule
    create_schedule = scheduling.create_schedule
    update_schedule = scheduling.update_schedule
    delete_schedule = scheduling.delete_schedule
    pause_schedule = scheduling.pause_schedule
    resume_schedule = scheduling.resume_schedule
    run_schedule = scheduling.run_schedule

    schedule_once = dates.schedule_once
    cancel_scheduled = dates.cancel_scheduled
    list_scheduled = dates.list_scheduled
