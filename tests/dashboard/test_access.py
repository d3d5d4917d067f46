"""Who may do what, as the page shows it, and what axe finds."""

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking, serious

APP = """
from fastapi import FastAPI
from fastapi_taskflow import AuthUser, QueueConfig, TaskAdmin, TaskAuthBackend, TaskManager
from fastapi_taskflow import task_log

class Staff(TaskAuthBackend):
    def authenticate_user(self, username, password):
        return AuthUser(username, username) if password == username else None

app = FastAPI()
tasks = TaskManager(snapshot_db="tasks.db", queues={"mail": QueueConfig(concurrency=2)})
TaskAdmin(app, tasks, display_func_args=True, auth=Staff())

@tasks.task(persist=True, retries=1)
async def charge(order: int) -> None:
    task_log("a private line")
    raise ConnectionError(f"no answer for order {order}")

@tasks.schedule(every=86400, name="nightly")
async def count() -> None:
    pass

@app.post("/add")
async def add() -> str:
    return (await tasks.enqueue(charge, 31337)).task_id
"""

VIEWS = ("", "/tasks", "/failures", "/queues", "/schedules", "/functions", "/instances", "/audit")

expect.set_options(timeout=PATIENCE_MS)


def failed(look: Look) -> str:
    with look.api as client:
        task_id: str = client.post("/add").json()
        while client.get(f"/tasks/{task_id}", auth=("admin", "admin")).json()["end_time"] is None:
            pass
        return task_id


def sign_in(look: Look, name: str, place: str = "") -> Page:
    page = look.open(place)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Sign out")).to_be_visible()
    return page


def test_one_signs_in_where_one_wanted_to_go_and_out_again(look: Looking):
    one = look()
    task_id = failed(one)

    page = sign_in(one, "operator", f"/tasks/{task_id}")
    assert page.url.endswith(f"/tasks/dashboard/tasks/{task_id}")
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_label("Password")).to_be_visible()


def test_a_session_that_ended_leads_to_the_form_and_back(look: Looking):
    one = look()
    page = sign_in(one, "admin", "/queues")
    page.context.clear_cookies()

    # What the page asks next is refused, whether somebody clicks or not.
    expect(page.get_by_label("Password")).to_be_visible()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Queues")).to_be_visible()


def test_what_was_typed_outlives_the_session(look: Looking):
    one = look()
    page = sign_in(one, "admin", f"/tasks/{failed(one)}")
    page.get_by_role("button", name="Edit and run again").click()
    form = page.get_by_role("dialog")
    form.get_by_label("order").fill("99")
    page.context.clear_cookies()

    form.get_by_role("button", name="Run again").click()
    with page.expect_popup() as popup:
        form.get_by_role("link", name="Sign in").click()
    popup.value.get_by_label("Name").fill("admin")
    popup.value.get_by_label("Password").fill("admin")
    popup.value.get_by_role("button", name="Sign in").click()
    expect(popup.value.get_by_text("Sign out")).to_be_visible()
    form.get_by_role("button", name="Run again").click()

    expect(page.get_by_text("Retry of")).to_be_visible()
    expect(page.locator(".failure .error")).to_have_text("no answer for order 99")


def test_a_viewer_sees_no_control_that_would_be_refused(look: Looking):
    one = look()
    task_id = failed(one)
    page = sign_in(one, "viewer", f"/tasks/{task_id}")

    expect(page.get_by_text("read only")).to_be_visible()
    expect(page.get_by_text("hidden from viewers")).to_be_visible()
    assert "a private line" not in page.content()
    with one.api as client:
        group = client.get(f"/tasks/{task_id}", auth=("admin", "admin")).json()["failure"]
    for view in ("/tasks", "/failures", f"/failures/{group}", "/queues", "/schedules"):
        one.open(view)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)
        for act in ("Pause", "Run now", "Change", "Cancel"):
            found = page.locator("main").get_by_role("button", name=act, exact=False)
            assert [each.inner_text() for each in found.all()] in ([], ["Cancelled"]), (view, act)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(look: Looking, theme, width):
    one = look(color_scheme=theme, viewport={"width": width, "height": 800}, bypass_csp=True)
    task_id = failed(one)
    page = sign_in(one, "admin")

    found = {}
    with one.api as client:
        group = client.get(f"/tasks/{task_id}", auth=("admin", "admin")).json()["failure"]
    for view in (*VIEWS, f"/tasks/{task_id}", f"/failures/{group}"):
        one.open(view)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        found[view] = serious(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    found["login"] = serious(page)

    assert {view: faults for view, faults in found.items() if faults} == {}
