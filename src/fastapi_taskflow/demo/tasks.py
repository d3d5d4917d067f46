"""The shop's background work.

What must not get lost is stored (`persist=True`). What may run twice is run again if its
process dies (`requeue_on_interrupt=True`). The rest is as cheap as FastAPI's own.
"""

from __future__ import annotations

import os
import time
from datetime import date
from decimal import Decimal

from fastapi_taskflow import QueueConfig, TaskManager, get_task_context, task_log
from fastapi_taskflow.demo import outside

__all__ = [
    "charge_card",
    "render_image",
    "send_order_confirmation",
    "send_welcome_mail",
    "task_manager",
    "write_report",
]

task_manager = TaskManager(
    snapshot_db=os.environ.get("TASKFLOW_DEMO_DB", "shop.db"),
    queues={
        "payments": QueueConfig(concurrency=4),
        "images": QueueConfig(concurrency=2, max_size=500),
    },
    # Who presses Ctrl+C wants it to end; what is not finished goes on at the next start.
    drain_timeout=3.0,
)


@task_manager.task(
    persist=True, retries=4, delay=0.5, backoff=2.0, no_retry_on=outside.UnknownAddressError
)
async def send_welcome_mail(address: str) -> None:
    """Stored before the customer sees the answer: a crash loses no mail."""
    await outside.send_mail(address, "Welcome")
    task_log(f"welcomed {address}")


@task_manager.task(
    persist=True,
    requeue_on_interrupt=True,
    retries=6,
    delay=0.5,
    backoff=2.0,
    jitter=0.2,
    no_retry_on=outside.CardDeclinedError,
    queue="payments",
)
async def charge_card(order_id: str, amount: Decimal, address: str) -> None:
    """Flaky by nature. It may run twice, because the provider charges an order once."""
    context = get_task_context()
    attempt = context.attempt if context else 0
    task_log(f"charging {amount} EUR, attempt {attempt + 1}")
    receipt = await outside.charge(order_id, amount)
    # The key makes one confirmation of it, also if this task runs twice.
    await task_manager.enqueue(
        send_order_confirmation,
        order_id,
        address,
        receipt,
        idempotency_key=f"confirmation-{order_id}",
        tags={"order": order_id},
    )
    task_log(f"charged, receipt {receipt}")


@task_manager.task(
    persist=True, retries=4, delay=0.5, backoff=2.0, no_retry_on=outside.UnknownAddressError
)
async def send_order_confirmation(order_id: str, address: str, receipt: str) -> None:
    """Added by another task."""
    await outside.send_mail(address, f"Order {order_id}, receipt {receipt}")
    task_log(f"confirmed to {address}")


@task_manager.task(queue="images")
def render_image(sku: str, width: int) -> None:
    """Runs in a thread; not stored, since an image can be asked for again."""
    outside.draw(width)
    task_log(f"{sku} drawn {width} pixels wide")


@task_manager.task(persist=True, requeue_on_interrupt=True, timeout=60.0)
def write_report(day: date) -> None:
    """A long job in a thread that stops when somebody cancels it."""
    context = get_task_context()
    for hour in range(24):
        if context is not None:
            context.check_cancelled()
        if hour % 8 == 0:
            task_log(f"{day}: counting from {hour:02}:00")
        time.sleep(0.15)
    task_log(f"report for {day} written")
