"""What people do on one task's page: run it again with other arguments, compare its attempts."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking, serious

APP = """
from datetime import date
from enum import Enum
from typing import Annotated
from fastapi import FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager, task_log
from fastapi_taskflow.redaction import Sensitive

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db")
TaskAdmin(app, tasks, display_func_args=True)

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

@tasks.task(persist=True, retries=1)
async def paint(
    number: int, colour: Colour, lines: list[int], pin: Annotated[str, Sensitive],
    note: str | None = None, due: date | None = None,
) -> None:
    for level in ("debug", "info", "warning", "error"):
        task_log(f"a {level} line", level=level)
    raise RuntimeError(f"{number} {colour.value} {lines} {len(pin)} {note} {due}")

@tasks.task(persist=True)
async def part() -> None: ...

@tasks.task(persist=True, key="customer")
async def bill(customer: int) -> None: ...

@app.post("/bill")
async def bill_all() -> str:
    return [(await tasks.enqueue(bill, customer)).task_id for customer in (7, 8, 7, 7)][0]

@app.post("/add")
async def add() -> str:
    call = tasks.call(paint, 2**70, Colour.RED, [1, 2**60], "1234", due=date(2026, 5, 1))
    return (await tasks.enqueue(call)).task_id

@app.post("/batch")
async def batch() -> list[str]:
    return list((await tasks.batch([tasks.call(part) for _ in range(3)])).task_ids)
"""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def painted(look: Looking) -> Page:
    """The page of a task that failed twice."""
    one = look()
    with one.api as client:
        task_id = client.post("/add").json()
    return opened(one, task_id)


def opened(one: Look, task_id: str) -> Page:
    page = one.open(f"/tasks/{task_id}")
    expect(page.get_by_role("button", name="Edit and run again")).to_be_visible()
    return page


def test_a_task_is_run_again_with_other_arguments(painted):
    painted.get_by_role("button", name="Edit and run again").click()
    form = painted.get_by_role("dialog")
    expect(form.get_by_label("number")).to_have_value(str(2**70))
    expect(form.get_by_label("lines")).to_have_value(f"[\n  1,\n  {2**60}\n]")
    expect(form.get_by_text("Secret: stays as it is.")).to_be_visible()

    form.get_by_label("number").fill("many")
    form.get_by_label("lines").fill('[1, "two"]')
    form.get_by_role("button", name="Run again").click()
    expect(form.get_by_text("valid integer")).to_have_count(2)
    form.get_by_label("number").fill(str(2**70 + 1))
    form.get_by_label("colour").select_option("blue")
    form.get_by_label("lines").fill(f"[{2**60 + 1}]")
    form.get_by_label("note").fill("quick")
    form.get_by_role("button", name="Run again").click()

    said = f"{2**70 + 1} blue [{2**60 + 1}] 4 quick 2026-05-01"
    expect(painted.get_by_text("Retry of")).to_be_visible()
    expect(painted.locator(".failure .error")).to_have_text(said)
    painted.get_by_role("link", name="Audit").click()
    expect(painted.get_by_text("run again")).to_be_visible()


def test_json_that_is_none_is_told_before_it_is_sent(painted):
    painted.keyboard.press("e")
    form = painted.get_by_role("dialog")

    form.get_by_label("lines").fill("[1,")
    form.get_by_role("button", name="Run again").click()
    expect(form.get_by_text("This is not JSON.")).to_be_visible()
    form.get_by_role("button", name="Replace pin").click()
    form.get_by_label("pin").fill("[redacted]")
    form.get_by_label("lines").fill("[]")
    form.get_by_role("button", name="Run again").click()

    expect(form.get_by_text("hides a secret")).to_be_visible()


def test_two_attempts_are_compared(painted):
    painted.get_by_text("Compare attempts").click()

    expect(painted.get_by_label("First attempt")).to_have_value("0")
    expect(painted.get_by_label("Second attempt")).to_have_value("1")
    expect(painted.get_by_role("rowheader", name="Instance")).to_be_visible()
    expect(painted.get_by_text("Their tracebacks are the same.")).to_be_visible()


def test_the_log_is_shown_from_a_level_on_and_a_link_says_so(painted):
    lines, levels = painted.get_by_role("log"), painted.get_by_role("group", name="Levels")
    expect(levels.get_by_role("button")).to_have_text(["all8", "info+6", "warning+4", "error+2"])

    levels.get_by_role("button", name="warning+").focus()
    painted.keyboard.press("Enter")
    expect(lines.get_by_text("a warning line")).to_have_count(2)
    expect(lines.get_by_text("a info line")).to_have_count(0)
    expect(lines.get_by_text("--- Retry 1 ---")).to_be_visible()
    expect(painted).to_have_url(re.compile(r"\?level=warning$"))

    painted.goto(painted.url.replace("warning", "error"))
    expect(levels.get_by_role("button", pressed=True)).to_have_text("error+2")
    expect(lines.locator("p")).to_have_count(3)


def test_retries_the_batch_and_the_key_are_related(look):
    one = look()
    with one.api as client:
        page = opened(one, client.post("/add").json())
        first = page.url
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page).not_to_have_url(first)
        retried = page.locator(".related").get_by_role("link", name="paint")
        expect(retried).to_have_count(1)
        retried.click()
        expect(page).to_have_url(first)

        page = opened(one, client.post("/batch").json()[0])
        expect(page.locator(".related").get_by_role("link", name="part")).to_have_count(2)
        page.get_by_role("link", name="all of them").click()
        expect(page).to_have_url(re.compile(r"\?batch="))
        expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)

        page = one.open(f"/tasks/{client.post('/bill').json()}")
        expect(page.locator(".related").get_by_role("link", name="bill")).to_have_count(2)
        page.get_by_role("link", name="bill():7").click()
    expect(page).to_have_url(re.compile(r"\?key="))
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_and_the_comparison_have_no_serious_fault(look, theme):
    one = look(color_scheme=theme, bypass_csp=True)
    with one.api as client:
        page = opened(one, client.post("/add").json())
    page.get_by_text("Compare attempts").click()

    assert serious(page) == []
    page.get_by_role("button", name="Edit and run again").click()
    expect(page.get_by_role("dialog").get_by_label("number")).to_be_visible()
    assert serious(page) == []
