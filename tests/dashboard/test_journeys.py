"""What people do in the dashboard: find a task, follow it, retry and cancel, tune a queue."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking

APP = """
import asyncio
from pathlib import Path
from fastapi import FastAPI
from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager, task_log

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db", queues={"mail": QueueConfig(concurrency=2)})
TaskAdmin(app, tasks, display_func_args=True, title="Shop")

@tasks.task(persist=True)
async def deliver(order: int, note: str = "") -> int:
    task_log(f"delivering {order}")
    return 2**70 + order

@tasks.task(persist=True, retries=1)
async def charge(order: int) -> None:
    task_log("asking the bank")
    raise ConnectionError(f"no answer for order {order}")

@tasks.task(persist=True, queue="mail")
async def wait_for(name: str) -> None:
    step = 0
    while not Path(name).exists():
        step += 1
        task_log(f"step {step}")
        await asyncio.sleep(0.05)

@tasks.schedule(every=86400, name="nightly")
async def count() -> None:
    task_log("counted")

@app.post("/add/{name}")
async def add(name: str, order: int = 7) -> str:
    func = {"deliver": deliver, "charge": charge}[name]
    return (await tasks.enqueue(func, order, tags={"order": str(order)})).task_id

@app.post("/hold/{name}")
async def hold(name: str) -> str:
    return (await tasks.enqueue(wait_for, name)).task_id

@app.post("/release/{name}")
async def release(name: str) -> None:
    Path(name).touch()
"""

expect.set_options(timeout=PATIENCE_MS)


def add(look: Look, name: str, order: int = 7) -> str:
    with look.api as client:
        task_id: str = client.post(f"/add/{name}", params={"order": order}).json()
        while client.get(f"/tasks/{task_id}").json()["end_time"] is None:
            pass
        return task_id


def hold(look: Look, name: str) -> str:
    with look.api as client:
        task_id: str = client.post(f"/hold/{name}").json()
        return task_id


def rows(page: Page):
    return page.get_by_role("table").get_by_role("row")


def test_a_failed_task_is_found_read_and_retried(look: Looking):
    one = look()
    task_id = add(one, "charge", 31337)
    add(one, "deliver")
    page = one.open()

    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("button", name="Failing").click()
    page.get_by_label("Search").fill("for order 31337")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("link", name="charge").click()

    expect(page).to_have_url(re.compile(f"/tasks/dashboard/tasks/{task_id}$"))
    expect(page.get_by_text("ConnectionError: no answer for order 31337")).to_be_visible()
    expect(page.get_by_role("listitem").get_by_text("Attempt 2")).to_be_visible()
    expect(page.get_by_role("log").get_by_text("asking the bank")).to_have_count(2)
    expect(page.locator("pre", has_text="31337").last).to_be_visible()

    page.get_by_role("button", name="Retry").click()

    expect(page.get_by_text("Retry of")).to_be_visible()
    assert not page.url.endswith(task_id)
    page.go_back()
    expect(page.get_by_text("It was retried as")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)


def test_filters_are_in_the_address_and_back_takes_them_away(look: Looking):
    one = look()
    add(one, "deliver", 11)
    page = one.open("/tasks")

    page.get_by_role("button", name="Succeeded").click()
    page.get_by_role("searchbox", name="Tag").fill("order:11")
    expect(page).to_have_url(re.compile(r"\?status=success&tag=order%3A11$"))
    expect(rows(page)).to_have_count(2)
    page.reload()
    expect(page.get_by_role("searchbox", name="Tag")).to_have_value("order:11")
    page.go_back()

    expect(page).to_have_url(re.compile(r"/tasks$"))
    expect(page.get_by_role("searchbox", name="Tag")).to_have_value("")


def test_a_filter_that_cannot_be_is_told(look: Looking):
    one = look()
    page = one.open("/tasks?tag=nothing")
    expect(page.get_by_role("alert")).to_contain_text("key:value")

    one.open("/tasks?status=bogus")
    expect(page.get_by_role("alert")).to_contain_text("status: ")


def test_a_running_task_is_followed_and_cancelled(look: Looking):
    one = look()
    task_id = hold(one, "never")
    page = one.open(f"/tasks/{task_id}")

    expect(page.get_by_role("log")).to_contain_text("step 3")
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_big_integer_is_shown_to_the_last_digit(look: Looking):
    one = look()
    page = one.open(f"/tasks/{add(one, 'deliver', 5)}")

    expect(page.get_by_text(str(2**70 + 5))).to_be_visible()


def test_an_id_is_copied_on_plain_http(look: Looking):
    one = look(permissions=["clipboard-read"])
    task_id = add(one, "deliver")
    page = one.open(f"/tasks/{task_id}")

    page.get_by_role("button", name="Copy id").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == task_id


def test_many_are_chosen_and_retried(look: Looking):
    one = look()
    for order in range(3):
        add(one, "charge", 100 + order)
    page = one.open("/tasks?func_name=charge&status=failed&since=1h")

    expect(rows(page).nth(3)).to_be_visible()
    for row in range(1, 4):
        rows(page).nth(row).get_by_role("checkbox").check()
    page.get_by_role("button", name="Retry 3").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Retry 3 tasks?")
    dialog.get_by_role("button", name="Retry").click()

    expect(page.get_by_text("Retried 3 tasks.")).to_be_visible()
    expect(page.get_by_text("chosen")).to_have_count(0)


def test_keys_move_choose_and_open(look: Looking):
    one = look()
    add(one, "deliver", 21)
    task_id = add(one, "deliver", 22)
    add(one, "deliver", 23)
    page = one.open("/tasks?func_name=deliver")
    expect(rows(page).nth(3)).to_be_visible()

    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("1 task chosen")).to_be_visible()
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(f"{task_id}$"))


def test_keys_search_retry_and_tell_of_themselves(look: Looking):
    one = look()
    task_id = add(one, "charge", 41)
    page = one.open()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("order 41")
    expect(page.get_by_role("link", name="charge")).to_have_count(1)
    page.get_by_role("link", name="charge").click()
    expect(page).to_have_url(re.compile(f"{task_id}$"))
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    page.keyboard.press("r")

    expect(page.get_by_text("Retry of")).to_be_visible()


def test_a_queue_is_resized_and_paused(look: Looking):
    one = look()
    page = one.open("/queues")

    page.get_by_role("button", name="change concurrency of queue mail").click()
    page.get_by_label("concurrency of queue mail", exact=True).fill("no number")
    page.keyboard.press("Enter")
    expect(page.get_by_text("whole number")).to_be_visible()
    page.get_by_label("concurrency of queue mail", exact=True).fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="change concurrency of queue mail")).to_have_text("5")
    page.get_by_role("button", name="Pause queue mail").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    with one.api as client:
        (mail,) = [each for each in client.get("/tasks/queues").json() if each["name"] == "mail"]
    page.get_by_role("button", name="Resume queue mail").click()
    expect(page.get_by_role("button", name="Pause queue mail")).to_be_visible()

    assert (mail["concurrency"], mail["paused"]) == (5, True)
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_text("update queue")).to_be_visible()
    expect(page.get_by_text("concurrency: 2 → 5")).to_be_visible()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("as they were written")).to_be_visible()


def test_a_schedule_is_run_now_and_paused(look: Looking):
    page = look().open("/schedules")

    page.get_by_role("button", name="Run now: schedule nightly").click()
    expect(page.get_by_text("Runs as")).to_be_visible()
    page.get_by_role("button", name="Pause schedule nightly").click()

    expect(page.get_by_text("paused", exact=True)).to_be_visible()


def test_a_page_that_does_not_exist_says_so(look: Looking):
    page = look().open("/tasks/00000000-0000-7000-8000-000000000000")
    expect(page.get_by_text("There is no task")).to_be_visible()

    page.goto(f"{page.url.partition('/tasks/')[0]}/tasks/dashboard/nowhere")
    expect(page.get_by_text("There is no such page.")).to_be_visible()


def test_a_paused_view_counts_what_comes_and_shows_it_afterwards(look: Looking):
    one = look()
    page = one.open("/functions")
    row = page.get_by_role("row", name=re.compile("^deliver"))
    expect(row).to_be_visible()
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    ended = row.get_by_role("cell").nth(3)
    before = ended.inner_text()
    add(one, "deliver")

    expect(page.get_by_role("button", name=re.compile(r"Paused · \d+ new"))).to_be_visible()
    assert ended.inner_text() == before
    page.get_by_role("button", name="Paused").click()

    expect(ended).not_to_have_text(before)


@pytest.mark.parametrize("view", ["", "tasks", "queues", "failures"])
def test_a_paused_page_asks_for_nothing(look: Looking, view):
    one = look()
    page = one.open(f"/{view}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("button", name="Live").click()
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    # Longer than any view waits before it asks again.
    page.evaluate("new Promise((done) => setTimeout(done, 3500))")

    # The stream may be opened again: it counts what comes.
    assert [url for url in asked if "/dashboard/stream?" not in url] == []
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
