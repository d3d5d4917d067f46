"""Tasks of a manager whose engine does not run: FastAPI's own, with a record in memory."""

from __future__ import annotations

from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.accept.records import new_record
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.operations.adding import fingerprint
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.answers import is_unfinished
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.rules.ends import failure
from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["StrayItem", "stray"]


class StrayItem(BackgroundTask):
    """One of them in a background. It runs once, whoever comes first."""

    def __init__(self, task: LiveTask, call: TaskCall, redactor: Redactor) -> None:
        super().__init__(call.func, *call.args, **call.kwargs)
        self._task = task
        self._redactor = redactor

    @property
    def task_id(self) -> str:
        return self._task.record.task_id

    async def __call__(self) -> None:
        record = self._task.record
        if record.status is not TaskStatus.PENDING:
            return
        record.status = TaskStatus.RUNNING
        record.start_time = SYSTEM_CLOCK.now()
        begun = SYSTEM_CLOCK.monotonic()
        try:
            await self._run()
            record.status = TaskStatus.SUCCESS
        except BaseException as exc:
            # As in stock FastAPI it goes on to the server.
            self._note(exc)
            raise
        finally:
            record.end_time = SYSTEM_CLOCK.now()
            record.elapsed = SYSTEM_CLOCK.monotonic() - begun
            self.args, self.kwargs = (), {}  # type: ignore[assignment]  # not generic
            self._task.release()

    async def _run(self) -> None:
        answer: Any
        if self.is_async:
            answer = await self.func(*self.args, **self.kwargs)
        else:
            answer = await run_in_threadpool(self.func, *self.args, **self.kwargs)
        while answer is not None and is_unfinished(answer):
            answer = await answer

    def _note(self, exc: BaseException) -> None:
        record = self._task.record
        raised = failure(exc, self._redactor.mask_of(self.func, self.args, self.kwargs))
        record.error = raised.text
        record.stacktrace = raised.stacktrace
        record.status = TaskStatus.FAILED


def stray(
    runtime: Runtime, registered: Registered, call: TaskCall, options: Options, *, waits: bool
) -> StrayItem:
    """A task to run in its place, known to ``manager.store``.

    Args:
        waits: Nobody may ever await it: the next start of an engine runs it, too.
    """
    settings = runtime.settings
    mask = settings.redactor.mask_of(registered.func, call.args, call.kwargs)
    tags = settings.redactor.labels(dict(options.tags or {}), mask)
    queue = options.queue or registered.config.queue or DEFAULT_QUEUE
    record = new_record(registered, options, SYSTEM_CLOCK.now(), queue, tags, durable=False)
    if not settings.sealed:
        record.args, record.kwargs = call.args, call.kwargs
    task = LiveTask(record, registered, call.args, call.kwargs, False)
    if options.idempotency_key is not None:
        task.fingerprint = fingerprint(runtime, registered, call)
        # As far as keys go, memory is its store.
        task.stored = True
    runtime.store.add(task)
    runtime.store.settle(task)
    item = StrayItem(task, call, settings.redactor)
    if waits:
        runtime.at_begin.append(item)
    return item
