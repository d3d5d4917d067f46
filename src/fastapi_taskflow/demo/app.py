"""The shop's endpoints. Each answers at once and leaves the work to a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin
from fastapi_taskflow.demo import traffic
from fastapi_taskflow.demo.tasks import (
    charge_card,
    import_product,
    render_image,
    send_welcome_mail,
    task_manager,
    tell_of_import,
    write_report,
)

__all__ = ["app"]

PRICES = {"mug": Decimal("9.50"), "shirt": Decimal("24.00"), "poster": Decimal("14.90")}
FRONT_PAGE = 10


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Let customers come while the shop is open, if somebody told them the address."""
    url: str | None = getattr(app.state, "traffic_url", None)
    customers = asyncio.create_task(traffic.visit(url)) if url else None
    yield
    if customers is not None:
        customers.cancel()
        with suppress(asyncio.CancelledError):
            await customers


app = FastAPI(title="Shop", lifespan=lifespan)
# The plain BackgroundTasks of all endpoints below are managed from here on.
TaskAdmin(app, task_manager, auto_install=True, title="Shop")
# Where whoever started an import follows it, without an account.
app.include_router(task_manager.status_router())
Tasks = Annotated[ManagedBackgroundTasks, Depends(task_manager.get_tasks)]


Width = Annotated[int, Query(ge=10, le=2_000, description="Pixels")]
Products = Annotated[int, Query(ge=1, le=1_000)]


class SignUp(BaseModel):
    email: str


class Order(BaseModel):
    sku: str
    quantity: int = Field(ge=1, le=100)
    email: str


class Accepted(BaseModel):
    """``task`` can be followed at /tasks/{task}."""

    task: str


class AcceptedOrder(Accepted):
    order_id: str


class Payment(BaseModel):
    status: str
    retries: int
    error: str | None


@app.get("/", include_in_schema=False)
async def front_door() -> RedirectResponse:
    """Who comes in this way wants to see the shop at work."""
    return RedirectResponse("/tasks/dashboard")


@app.post("/customers", status_code=201)
async def sign_up(customer: SignUp, background_tasks: BackgroundTasks) -> SignUp:
    """Nothing in this endpoint knows of the library."""
    background_tasks.add_task(send_welcome_mail, customer.email)
    return customer


@app.post("/orders", status_code=202)
async def order(
    order: Order, idempotency_key: Annotated[str, Header(max_length=200)], tasks: Tasks
) -> AcceptedOrder:
    """Same key, same order: whoever clicks twice pays once.

    The id comes from the key, because a repeated task must have equal arguments: the same
    key with another order in it is answered 409.
    """
    if order.sku not in PRICES:
        raise HTTPException(404, f"We do not sell {order.sku!r}")
    order_id = uuid5(NAMESPACE_URL, f"order:{idempotency_key}").hex[:12]
    amount = PRICES[order.sku] * order.quantity
    task = tasks.add_task(
        charge_card,
        order_id,
        amount,
        order.email,
        idempotency_key=f"order-{idempotency_key}",
        tags={"order": order_id, "sku": order.sku},
    )
    return AcceptedOrder(task=task, order_id=order_id)


@app.get("/payments/{task}")
async def payment(task: str) -> Payment:
    """How an order's payment is getting on."""
    record = await task_manager.get(task)
    if record is None or record.func_name != "charge_card":
        raise HTTPException(404, "No such payment")
    return Payment(status=record.status.value, retries=record.retries_used, error=record.error)


@app.post("/products/{sku}/images", status_code=202)
async def image(
    sku: str, tasks: Tasks, *, width: Width = 400, front_page: bool = False
) -> Accepted:
    """What the front page needs is drawn before everything else."""
    priority = FRONT_PAGE if front_page else None
    tags = {"sku": sku}
    return Accepted(task=tasks.add_task(render_image, sku, width, priority=priority, tags=tags))


@app.post("/reports/{day}", status_code=202)
async def report(day: date, tasks: Tasks) -> Accepted:
    """One report a day, however often it is asked for."""
    return Accepted(task=tasks.add_task(write_report, day, idempotency_key=f"report-{day}"))


@app.post("/imports", status_code=202)
async def import_products(request: Request, products: Products = 40) -> JSONResponse:
    """Ask the supplier for each product; the answer says where the import can be followed."""
    calls = [task_manager.call(import_product, f"product-{n}") for n in range(products)]
    batch = await task_manager.batch(calls, on_done=tell_of_import, tags={"kind": "import"})
    return await task_manager.status_accepted(request, batch)


@app.get("/imports", response_class=HTMLResponse)
async def import_page() -> str:
    """Starts an import, and shows how far it is."""
    return IMPORT_PAGE


IMPORT_PAGE = """<!doctype html><title>Import</title>
<p><progress id="bar" value="0"></progress> <output id="told"></output></p>
<script type="module">
  const answer = await fetch("/imports", {method: "POST"})
  const events = new EventSource((await answer.json()).events)
  events.addEventListener("status", ({data}) => {
    const {progress, failed} = JSON.parse(data)
    bar.max = progress.total
    bar.value = progress.done
    told.value = `${progress.done} of ${progress.total}, ${failed} failed`
  })
  events.addEventListener("end", () => events.close())
</script>
"""
