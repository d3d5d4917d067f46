"""What the page does where the server refuses, and while others change what is on it."""

import re

from playwright.sync_api import Page, Route, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking

APP = """
from itertools import cycle
from fastapi import FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db")
TaskAdmin(app, tasks)
moods = cycle([ValueError("it was green"), KeyError("it was blue")])

@tasks.task(persist=True)
async def count(number: int) -> None: ...

@tasks.task(persist=True, retries=1)
async def waver() -> None:
    raise next(moods)

@app.post("/add/{number}")
async def add(number: int) -> list[str]:
    return [(await tasks.enqueue(count, one)).task_id for one in range(number)]

@app.post("/waver")
async def add_wavering() -> None:
    await tasks.enqueue(waver)
"""

expect.set_options(timeout=PATIENCE_MS)


def add(look: Look, number: int) -> list[str]:
    with look.api as client:
        ids: list[str] = client.post(f"/add/{number}").json()
        return ids


def refuse(page: Page, path: str) -> list[str]:
    """Let requests with this in their address fail; which did."""
    refused: list[str] = []

    def answer(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=500, json={"detail": "it is out of order"})

    page.route(re.compile(path), answer)
    return refused


def test_the_active_row_stays_the_same_task_when_others_come(look: Looking):
    one = look()
    (task_id,) = add(one, 1)
    page = one.open("/tasks")
    rows = page.get_by_role("table").get_by_role("row")
    expect(page.get_by_title(task_id)).to_be_visible()
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    page.keyboard.press("ArrowDown")

    (other,) = add(one, 1)
    expect(rows.nth(1).get_by_title(other)).to_be_visible()
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(f"{task_id}$"))


def test_a_page_of_a_list_that_fails_is_asked_for_once(look: Looking):
    one = look()
    add(one, 120)
    page = one.open()
    refused = refuse(page, "cursor=")
    one.open("/tasks?func_name=count")
    expect(page.get_by_role("row").nth(2)).to_be_visible()

    page.keyboard.press("End")
    expect(page.get_by_text("it is out of order")).to_be_visible()
    page.evaluate("new Promise((done) => setTimeout(done, 500))")
    assert len(refused) == 1
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_text("it is out of order")).to_have_count(0)


def test_what_cannot_be_looked_at_is_told_on_the_overview(look: Looking):
    one = look()
    page = one.open("/audit")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    refuse(page, r"/tasks(/instances|\?)")
    page.get_by_role("link", name="Overview").click()

    attention = page.locator("section", has_text="Needs attention")
    newest = page.locator("section", has_text="Newest failures")
    expect(attention.get_by_role("alert")).to_contain_text("it is out of order")
    expect(newest.get_by_role("alert")).to_contain_text("it is out of order")
    page.unroute_all()
    newest.get_by_role("button", name="Try again").click()
    expect(newest.get_by_role("alert")).to_have_count(0)


def test_the_focus_comes_back_from_a_dialog(look: Looking):
    page = look().open("/queues")
    drain = page.get_by_role("button", name="Drain queue default")
    drain.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(drain).to_be_focused()


def test_a_link_in_the_page_leads_the_focus_to_what_it_shows(look: Looking):
    one = look()
    (task_id,) = add(one, 1)
    page = one.open("/tasks")
    link = page.get_by_role("row").filter(has=page.get_by_title(task_id)).get_by_role("link")
    link.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Copy id")).to_be_visible()
    expect(page.locator("main")).to_be_focused()


def test_the_palette_scrolls_to_the_chosen_one(look: Looking):
    page = look(viewport={"width": 1000, "height": 400}).open("/queues")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Control+k")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options.nth(11)).to_be_attached()

    for _ in range(11):
        page.keyboard.press("ArrowDown")

    expect(options.nth(11)).to_have_attribute("aria-selected", "true")
    expect(options.nth(11)).to_be_in_viewport()


def test_a_failure_shows_the_attempt_that_belongs_to_it(look: Looking):
    one = look()
    with one.api as client:
        client.post("/waver")
        while len(client.get("/tasks/failures").json()) < 2:
            pass
    page = one.open("/failures")

    expect(page.get_by_text("it was blue")).to_have_count(1)
    page.get_by_role("link", name="ValueError").click()

    expect(page.locator(".failure .error")).to_have_text("it was green")
    expect(page.locator("pre")).to_contain_text("ValueError: it was green")


def test_rows_are_as_high_as_a_phone_that_is_turned_needs(look: Looking):
    one = look(viewport={"width": 844, "height": 390})
    add(one, 3)
    page = one.open("/tasks")
    row = page.get_by_role("row").nth(2)
    expect(row).to_be_visible()

    page.set_viewport_size({"width": 390, "height": 844})

    page.wait_for_function(
        "() => [...document.querySelectorAll('.field .row')]"
        ".every((one) => one.scrollHeight <= one.clientHeight && one.clientHeight > 50)"
    )


def test_a_space_at_the_end_stays_for_what_is_typed_behind_it(look: Looking):
    page = look().open("/tasks")
    page.get_by_label("Search").press_sequentially("count ")
    expect(page).to_have_url(re.compile(r"\?q=count$"))

    page.get_by_label("Search").press_sequentially("1")

    expect(page).to_have_url(re.compile(r"\?q=count\+1$"))


def test_fields_keep_the_focus_of_who_uses_them(look: Looking):
    one = look()
    with one.api as client:
        client.post("/waver")
    page = one.open("/failures")
    field = page.get_by_role("searchbox", name="Type or function")
    field.fill("waver")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=waver$"))
    expect(field).to_be_focused()

    one.open("/failures")
    page.get_by_role("button", name="Retry a span of time").click()
    choice = page.get_by_role("dialog").get_by_label("Made in")
    choice.select_option("1d")
    expect(page.get_by_role("dialog").get_by_role("button", name="Retry")).to_be_visible()
    expect(choice).to_be_focused()

    one.open("/queues")
    limit = page.get_by_role("button", name="change concurrency of queue default")
    limit.press("Enter")
    expect(page.get_by_label("concurrency of queue default", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(limit).to_be_focused()
