"""Ways to a task: the palette, filters by name, the export."""

import csv
import io
import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking, serious

APP = """
from fastapi import FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db")
TaskAdmin(app, tasks)

@tasks.task(persist=True)
async def send_invoice(order: int) -> None:
    raise RuntimeError(f"=1+{order}")

@app.post("/add")
async def add(order: int) -> str:
    return (await tasks.enqueue(send_invoice, order, tags={"order": str(order)})).task_id
"""

expect.set_options(timeout=PATIENCE_MS)


def failed(look: Look, order: int) -> str:
    with look.api as client:
        task_id: str = client.post("/add", params={"order": order}).json()
        while client.get(f"/tasks/{task_id}").json()["end_time"] is None:
            pass
        return task_id


def offered(page: Page, name: str = ""):
    """Places and acts that the palette shows."""
    return page.get_by_role("listbox", name="Places and acts").get_by_role("option", name=name)


def test_the_palette_leads_to_views_functions_and_tasks(look: Looking):
    one = look()
    task_id = failed(one, 1)
    page = one.open()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Where to")
    box.fill("que")
    expect(offered(page).first).to_contain_text("Queues")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")

    page.get_by_role("button", name="Go to…").click()
    box.fill("invoice")
    expect(offered(page, "send_invoice")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/tasks\?func_name=send_invoice$"))

    page.keyboard.press("Control+k")
    box.fill(task_id[-8:])
    expect(offered(page, "open the task")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()

    page.keyboard.press("Control+k")
    box.fill("ret")
    expect(offered(page, "Retry")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Retry of")).to_be_visible()


def test_escape_leaves_the_palette_and_arrows_choose(look: Looking):
    page = look().open("/queues")
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.keyboard.press("Control+k")
    expect(offered(page).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(offered(page).nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_filter_is_kept_by_name(look: Looking):
    one = look()
    failed(one, 5)
    page = one.open("/tasks?status=failed&tag=order%3A5")

    page.get_by_text("Saved filters").click()
    page.get_by_label("Name of this filter").fill("five")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="All").click()
    expect(page).to_have_url(re.compile(r"/tasks$"))
    page.reload()
    page.get_by_text("Saved filters").click()
    page.get_by_role("link", name="five").click()

    expect(page).to_have_url(re.compile(r"\?status=failed&tag=order%3A5$"))
    page.get_by_text("Saved filters").click()
    page.get_by_role("button", name="Forget five").click()
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_a_filter_without_a_field_is_shown_and_taken_away(look: Looking):
    one = look()
    task_id = failed(one, 5)
    with one.api as client:
        group = client.get(f"/tasks/{task_id}").json()["failure"]
    page = one.open(f"/tasks?failure={group}&key=customer:42")

    expect(page.get_by_role("search")).to_contain_text("Key customer:42")
    page.get_by_role("button", name="Without key").click()
    expect(page.get_by_role("link", name="RuntimeError in send_invoice")).to_be_visible()
    page.get_by_role("button", name="Without failure").click()

    expect(page).to_have_url(re.compile(r"/tasks$"))


def test_nothing_lies_over_the_states_on_a_phone(look: Looking):
    one = look(viewport={"width": 390, "height": 700})
    failed(one, 6)
    page = one.open("/tasks")
    states = page.get_by_role("group", name="States").get_by_role("button")
    expect(states.first).to_be_visible()

    reached = states.evaluate_all(
        """all => all.filter((one) => {
            one.scrollIntoView();
            const at = one.getBoundingClientRect();
            const hit = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);
            return one.contains(hit);
        }).length"""
    )

    assert reached == states.count() == 6


def test_what_matches_is_exported(look: Looking):
    one = look(accept_downloads=True)
    task_id = failed(one, 77)
    page = one.open("/tasks?tag=order%3A77")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)

    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export CSV").click()

    assert waiting.value.suggested_filename == "tasks.csv"
    text = waiting.value.path().read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["task_id"], row["error"]) == (task_id, "'=1+77")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_palette_and_saved_filters_have_no_serious_fault(look: Looking, theme):
    page = look(color_scheme=theme, bypass_csp=True).open("/tasks?q=x")
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.get_by_text("Saved filters").click()
    assert serious(page) == []
    page.get_by_role("button", name="Go to…").click()
    expect(offered(page).first).to_be_visible()
    assert serious(page) == []
