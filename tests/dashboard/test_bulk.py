"""Failures by group, and acts on all tasks that match: counted, begun, followed, called off."""

import re

from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking

APP = """
from fastapi import FastAPI
from fastapi_taskflow import TaskAdmin, TaskManager

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db")
TaskAdmin(app, tasks)
# Its bulk actions wait for another instance.
idle = TaskManager(snapshot_db="idle.db", roles={"enqueue", "observe"})
TaskAdmin(app, idle, path="/idle")

@tasks.task(persist=True)
async def charge(order: int) -> None:
    raise ConnectionError(f"no answer for order {order}")

@tasks.task(persist=True)
async def ship(order: int) -> None:
    raise LookupError(f"no parcel for order {order}")

@tasks.task(persist=True)
async def later(order: int) -> None:
    pass

@idle.task(persist=True)
async def never(order: int) -> None:
    pass

@app.post("/add/{name}")
async def add(name: str, many: int = 1) -> list[str]:
    if name == "later":
        return [(await tasks.enqueue(later, n, delay=86400)).task_id for n in range(many)]
    manager, func = {
        "charge": (tasks, charge), "ship": (tasks, ship), "never": (idle, never)
    }[name]
    return [(await manager.enqueue(func, n)).task_id for n in range(many)]
"""

expect.set_options(timeout=PATIENCE_MS)


def add(look: Look, name: str, many: int) -> list[str]:
    with look.api as client:
        ids: list[str] = client.post(f"/add/{name}", params={"many": many}).json()
        return ids


def failed(look: Look, name: str, many: int) -> list[str]:
    ids = add(look, name, many)
    with look.api as client:
        for task_id in ids:
            while client.get(f"/tasks/{task_id}").json()["status"] != "failed":
                pass
    return ids


def actions(look: Look) -> list[str]:
    with look.api as client:
        return [one["bulk_id"] for one in client.get("/tasks/bulk").json()]


def rows(page: Page):
    return page.get_by_role("table").get_by_role("row")


def done(page: Page, said: str):
    """Such an action, beside those of other tests."""
    shown = page.get_by_role("list", name="Actions on many tasks")
    return shown.get_by_role("listitem").filter(has_text=said)


def test_a_failure_is_found_read_and_all_its_tasks_are_retried(look: Looking):
    one = look()
    failed(one, "charge", 3)
    failed(one, "ship", 1)
    page = one.open()

    page.get_by_role("link", name="Failures", exact=True).click()
    row = page.get_by_role("row", name=re.compile("ConnectionError"))
    expect(row).to_contain_text("new")
    expect(row).to_contain_text("no answer for order")
    expect(page.get_by_role("row", name=re.compile("LookupError"))).to_be_visible()
    row.get_by_role("link", name="ConnectionError").click()
    expect(page.locator("pre")).to_contain_text("raise ConnectionError")
    page.get_by_role("button", name="Retry 3").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 tasks would be retried")
    dialog.get_by_role("button", name="Retry 3").click()

    expect(done(page, "Retried 3 tasks.")).to_be_visible()
    page.get_by_role("link", name="Its tasks", exact=True).click()
    expect(rows(page)).to_have_count(1 + 6)
    done(page, "Retried 3 tasks.").get_by_role("button", name="Dismiss").click()
    expect(done(page, "Retried 3 tasks.")).to_have_count(0)


def test_a_span_of_failures_is_counted_before_it_is_retried(look: Looking):
    one = look()
    failed(one, "ship", 2)
    before = actions(one)
    page = one.open("/failures?func_name=ship")

    page.get_by_role("button", name="Retry a span of time").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"\d+ tasks? would be retried"))
    dialog.get_by_label("Made in").select_option("the last 15 minutes")
    expect(dialog).to_contain_text(re.compile(r"\d+ tasks? would be retried"))
    dialog.get_by_role("button", name="Back").click()

    expect(dialog).to_have_count(0)
    assert actions(one) == before


def test_a_failure_that_is_not_there_says_so(look: Looking):
    page = look().open("/failures/none")

    expect(page.get_by_text("There is no such failure.")).to_be_visible()


def test_all_that_match_are_cancelled_also_those_not_loaded(look: Looking):
    one = look()
    add(one, "later", 103)
    page = one.open("/tasks?func_name=later&status=pending")

    expect(page.get_by_text("103 tasks")).to_be_visible()
    page.get_by_label("Choose all that are loaded").check()
    page.get_by_role("button", name="Choose all 103 that match").click()
    page.get_by_role("button", name="Cancel them").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("103 tasks would be cancelled")
    dialog.get_by_role("button", name="Cancel 103").click()

    expect(done(page, "Cancelled 103 tasks.")).to_be_visible()
    expect(page.get_by_text("No task matches.")).to_be_visible()


def test_what_goes_on_is_called_off(look: Looking):
    one = look()
    ids = add(one, "never", 2)
    page = one.page
    page.goto(f"{one.server.url}/idle/dashboard/tasks?func_name=never")
    with one.api as client:
        wanted = {"action": "cancel", "filter": {"func_name": "never"}}
        assert client.post("/idle/bulk", json=wanted).status_code == 200

    done(page, "Cancelling: 0 tasks so far.").get_by_role("button", name="Call off").click()

    expect(done(page, "Called off after 0 tasks")).to_be_visible()
    with one.api as client:
        states = [client.get(f"/idle/{task_id}").json()["status"] for task_id in ids]
    assert states == ["pending", "pending"]
