"""What people set right: pauses, a queue that is full of what nobody wants, schedules."""

import re

from playwright.sync_api import expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking

APP = """
from fastapi import FastAPI
from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db", queues={"mail": QueueConfig(concurrency=2)})
TaskAdmin(app, tasks)

@tasks.task(persist=True, queue="mail")
async def send(name: str) -> None:
    pass

@tasks.schedule(every=86400, name="nightly")
async def count() -> None:
    pass

@app.post("/add")
async def add(many: int) -> list[str]:
    return [(await tasks.enqueue(send, str(n))).task_id for n in range(many)]
"""

expect.set_options(timeout=PATIENCE_MS)


def add(look: Look, many: int) -> list[str]:
    with look.api as client:
        ids: list[str] = client.post("/add", params={"many": many}).json()
        return ids


def test_a_function_is_paused_seen_to_wait_and_let_go_on(look: Looking):
    one = look()
    page = one.open("/queues")

    page.get_by_label("Function to pause").fill("send")
    page.get_by_role("button", name="Pause", exact=True).click()
    lift = page.get_by_role("button", name="Lift the pause of function send")
    expect(lift).to_be_visible()
    (task_id,) = add(one, 1)
    page.get_by_role("button", name="What waits in queue mail").click()
    expect(page.get_by_text(re.compile("waits for .*paused"))).to_be_visible()
    one.open()
    trouble = page.get_by_role("listitem").filter(has_text="nothing of it starts")
    trouble.get_by_role("link", name="function send").click()
    lift.click()

    expect(lift).to_have_count(0)
    with one.api as client:
        while client.get(f"/tasks/{task_id}").json()["status"] != "success":
            pass


def test_a_queue_is_emptied_after_a_look_at_how_many(look: Looking):
    one = look()
    with one.api as client:
        client.post("/tasks/queues/mail/pause")
    ids = add(one, 3)
    page = one.open("/queues")

    page.get_by_role("button", name="Empty queue mail").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 tasks would be cancelled")
    dialog.get_by_role("button", name="Cancel 3").click()

    expect(page.get_by_text("Cancelled 3 tasks.")).to_be_visible()
    with one.api as client:
        client.post("/tasks/queues/mail/resume")
        states = {client.get(f"/tasks/{task_id}").json()["status"] for task_id in ids}
    assert states == {"cancelled"}


def test_a_queue_is_drained_once_that_is_confirmed(look: Looking):
    page = look().open("/queues")
    drain = page.get_by_role("button", name="Drain queue mail")

    drain.click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(page.get_by_text("drained", exact=True)).to_be_visible()
    expect(drain).to_be_disabled()
    page.get_by_role("button", name="Resume queue mail").click()

    expect(drain).to_be_enabled()
    expect(page.get_by_text("drained", exact=True)).to_have_count(0)


def test_a_schedule_tells_of_its_last_and_next_runs(look: Looking):
    one = look()
    with one.api as client:
        task_id = client.post("/tasks/schedules/nightly/run").json()["task_id"]
        while client.get(f"/tasks/{task_id}").json()["status"] != "success":
            pass
    page = one.open("/schedules")

    page.get_by_role("button", name="Runs of schedule nightly").click()

    detail = page.locator(".detail")
    expect(detail.get_by_text("success")).to_be_visible()
    expect(detail.locator("section").first.get_by_role("listitem")).to_have_count(10)
    detail.get_by_role("link", name=task_id[-8:]).click()
    expect(page).to_have_url(re.compile(f"{task_id}$"))


def test_a_function_is_looked_at_over_time(look: Looking):
    one = look()
    page = one.open("/functions")

    page.get_by_role("link", name="send").click()
    expect(page.get_by_role("heading", name="send")).to_be_visible()
    page.get_by_role("button", name="6 hours").click()
    expect(page).to_have_url(re.compile(r"/functions/send\?window=5min$"))
    expect(page.get_by_role("img", name=re.compile("Ended per 5 minutes"))).to_be_visible()
    page.go_back()

    expect(page.get_by_role("button", name="1 hour", pressed=True)).to_be_visible()


def test_a_queue_has_an_address_of_its_own(look: Looking):
    page = look().open("/queues/mail")

    expect(page.get_by_role("heading", level=1)).to_have_text("Queue mail")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="All queues").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_count(0)
    page = look().open("/queues/none")
    expect(page.get_by_text("No queue is named none.")).to_be_visible()
