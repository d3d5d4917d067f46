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
    "count_the_day",
    "import_product",
    "render_image",
    "send_order_confirmation",
    "send_welcome_mail",
    "task_manager",
    "tell_of_import",
    "write_report",
]

task_manager = TaskManager(
    snapshot_db=os.environ.get("TASKFLOW_DEMO_DB", "shop.db"),
    queues={
        "payments": QueueConfig(concurrency=4),
        "images": QueueConfig(concurrency=2, max_size=500),
    },
    max_process_workers=2,
    # Who presses Ctrl+C wants it to end; what is not finished goes on at the next start.
    drain_timeout=3.0,
)


@task_manager.task(
    title="Welcome {address}",
    persist=True,
    retries=4,
    delay=0.5,
    backoff=2.0,
    no_retry_on=outside.UnknownAddressError,
)
async def send_welcome_mail(address: str) -> None:
    """Stored before the customer sees the answer: a crash loses no mail."""
    await outside.send_mail(address, "Welcome")
    task_log(f"welcomed {address}")


@task_manager.task(
    title="{amount} EUR of order {order_id}",
    key="address",
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
    """Flaky by nature. It may run twice, because the provider charges an order once.

    A customer's orders are charged one at a time, first come first served; others' mind nothing.
    """
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
    title="Order {order_id} to {address}",
    persist=True,
    retries=4,
    delay=0.5,
    backoff=2.0,
    no_retry_on=outside.UnknownAddressError,
)
async def send_order_confirmation(order_id: str, address: str, receipt: str) -> None:
    """Added by another task."""
    await outside.send_mail(address, f"Order {order_id}, receipt {receipt}")
    task_log(f"confirmed to {address}")


@task_manager.task(title="{sku} at {width} pixels", executor="process", queue="images")
def render_image(sku: str, width: int) -> None:
    """Computes, so it has a core of its own, and a process that may crash: no other task minds.

    Not stored, since an image can be asked for again.
    """
    task_log(f"drawing {sku}, {width} pixels wide")
    picture = outside.draw(width)
    task_log(f"{sku} drawn, {len(picture)} bytes")


@task_manager.task(title="Stock of {sku}", rate_limit="5/s")
async def import_product(sku: str) -> int:
    """One of many, as fast as the supplier lets us ask, however many workers there are."""
    number = await outside.ask_supplier(sku)
    task_log(f"the supplier has {number} of {sku}")
    return number


@task_manager.task(title="An import is done")
async def tell_of_import() -> str:
    """Called once, when the last product of an import has ended."""
    context = get_task_context()
    batch = await task_manager.batches.get((context and context.batch_id) or "")
    told = f"{batch.success} of {batch.total} products imported"
    task_log(told)
    return told


@task_manager.task(title="Report of {day}", persist=True, requeue_on_interrupt=True, timeout=60.0)
def write_report(day: date) -> str:
    """A long job in a thread that says how far it is, and stops when somebody cancels it."""
    context = get_task_context()
    for hour in range(24):
        if context is not None:
            context.check_cancelled()
        if hour % 8 == 0:
            task_log(f"{day}: counting from {hour:02}:00")
        time.sleep(0.15)
        if context is not None:
            context.progress(hour + 1, 24, f"counted until {hour + 1:02}:00")
    task_log(f"report for {day} written")
    return f"report-{day}.pdf"


@task_manager.schedule(every=30, name="nightly report", overlap="skip", misfire="skip")
def count_the_day() -> None:
    """Nightly in a shop with nights; here twice a minute, so that there is something to see."""
    context = get_task_context()
    slot = context.tags["slot"] if context is not None else "now"
    task_log(f"counting what was sold until {slot}")
    time.sleep(1.0)
