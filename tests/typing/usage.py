"""Code as users write it. Type checkers read it in strict mode; nothing runs it."""

from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, assert_type
from uuid import uuid4

from fastapi import BackgroundTasks, Depends, FastAPI

from fastapi_taskflow import (
    Cancel,
    FileLogger,
    InMemoryLogger,
    LifecycleEvent,
    LogEvent,
    LoggerChain,
    ManagedBackgroundTasks,
    QueueConfig,
    Retry,
    Snooze,
    SqliteBackend,
    StdoutLogger,
    TaskAdmin,
    TaskManager,
    TaskObserver,
    TaskRecord,
    TaskStatus,
    get_task_context,
    task_log,
)


class Pager(TaskObserver):
    async def on_log(self, event: LogEvent) -> None:
        print(event.task_id[-8:], event.level, event.extra.get("order"))

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        if event.status is TaskStatus.FAILED:
            print(event.func_name, event.error)


memory = InMemoryLogger()
task_manager = TaskManager(
    snapshot_backend=SqliteBackend("tasks.db"),
    loggers=[LoggerChain([StdoutLogger(log_lifecycle=True), memory]), Pager("warning")],
    queues={"mail": QueueConfig(concurrency=2, max_size=1_000)},
)
app = FastAPI()
TaskAdmin(app, task_manager, auto_install=True)
FileLogger("tasks.log", 1_000_000, 3, "watched", log_lifecycle=True, min_level="debug")


@task_manager.task(retries=3, delay=1.0, backoff=2.0, persist=True, queue="mail")
async def send_email(address: str, *, subject: str = "Welcome") -> None:
    task_log("sending", level="debug", subject=subject)
    context = get_task_context()
    if context is not None and context.attempt > 2:
        raise Cancel("it is no use")
    raise Retry(after=5.0)


@task_manager.task
async def shown(number: int) -> str:
    return str(number)


class Urgency(IntEnum):
    HIGH = 9


@task_manager.task(executor="thread", timeout=10.0, priority=Urgency.HIGH, retry_on=[ValueError])
def make_report(month: int) -> int:
    context = get_task_context()
    if context is not None:
        context.check_cancelled()
    raise Snooze(60.0)


async def the_decorator_keeps_the_function() -> None:
    assert_type(await send_email("ada@example.com"), None)
    assert_type(make_report(4), int)
    assert_type(await shown(4), str)


@app.post("/bare")
async def bare(background_tasks: BackgroundTasks) -> None:
    background_tasks.add_task(send_email, "ada@example.com", subject="Hello")


@app.post("/managed")
async def managed(background_tasks: ManagedBackgroundTasks) -> str:
    task_id = background_tasks.add_task(
        send_email, "ada@example.com", tags={"order": "7"}, idempotency_key="mail-7"
    )
    return assert_type(task_id, str)


@app.post("/injected")
async def injected(
    tasks: Annotated[ManagedBackgroundTasks, Depends(task_manager.get_tasks)],
) -> str:
    tasks.add_task(make_report, 4, run_at=datetime.now(UTC), tags={"order": 7, "id": uuid4()})
    return tasks.add_task(make_report, 4, priority=Urgency.HIGH, delay=60)


@app.post("/anywhere")
async def anywhere() -> dict[str, str | bool]:
    enqueued = await task_manager.enqueue(send_email, "ada@example.com", delay=30.0)
    call = task_manager.call(send_email, "ada@example.com", subject="delay is an option")
    await task_manager.enqueue(call, delay=60.0)
    same = task_manager.enqueue_sync(send_email, "ada@example.com", priority=1)
    print(same.task_id)
    task_manager.call(send_email, 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    task_manager.call(send_email, subjct="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    return {"task_id": enqueued.task_id, "duplicate": enqueued.duplicate}


async def operate(task_id: str) -> str | None:
    record = await task_manager.get(task_id)
    assert_type(record, TaskRecord | None)
    if record is None:
        return None
    await task_manager.pause(record.queue)
    await task_manager.resume(record.queue)
    return assert_type(await task_manager.retry(task_id), str)


def inspect() -> list[str]:
    return [event.message for event in memory.log_events]
