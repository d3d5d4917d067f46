"""The pages: what they show, that data stays data, that links and buttons lead somewhere."""

import re
from urllib.parse import urlsplit

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager, TaskStatus
from tests.admin.pages import Page

# Elements that our own markup consists of. No script, no style, nothing that loads anything
# but the two files of ours.
OURS = frozenset(
    re.findall(
        r"\w+",
        """
        html head meta title link body a header nav main section footer h1 h2 p ul li strong span
        table caption thead tbody tr th td form label select option input datalist button code
        time div dl dt dd pre details summary
        """,
    )
)

POLYGLOTS = [
    "<script>window.__pwn=1</script>",
    "\"><img src=x onerror='window.__pwn=1'>",
    "'><svg/onload=window.__pwn=1>",
    "javascript:window.__pwn=1//",
    "</title></textarea></style><script>window.__pwn=1</script>",
    "<a href=javascript:window.__pwn=1>x</a>",
    "<!--<script>-->window.__pwn=1",
    "&lt;script&gt;&#x3c;script&#62;",
    "'-window.__pwn-'`${window.__pwn}`{{7*7}}<%= 7*7 %>",
    "<iframe srcdoc='<script>top.__pwn=1</script>'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/><form action=//evil.example><input type=submit>",
    "\uff1cscript\uff1ewindow.__pwn=1\uff1c/script\uff1e",
]


def safe(page: Page) -> bool:
    """Nothing but our elements, no handlers, no addresses but ours."""
    addresses = page.attributes("href") + page.attributes("action") + page.attributes("src")
    return (
        {name for name, _ in page.elements} <= OURS
        and not [key for _, attrs in page.elements for key in attrs if key.startswith("on")]
        and not page.attributes("style")
        and all(one.startswith(("/tasks", "?", "#content")) for one in addresses)
    )


@pytest.mark.parametrize("polyglot", POLYGLOTS)
def test_data_stays_data_wherever_it_is_shown(open_desk, polyglot):
    desk = open_desk(
        display_func_args=True, title=polyglot, queues={polyglot: QueueConfig(concurrency=1)}
    )

    async def tell(text, **kwargs):
        await desk.tell(text, **kwargs)

    named = desk.manager.task(name=polyglot, persist=True, retries=1)(tell)
    task_id = desk.ended(
        named, polyglot, queue=polyglot, tags={polyglot: polyglot}, **{polyglot: polyglot}
    ).task_id
    form = {"q": polyglot, "tag": f"a:{polyglot}", "func_name": polyglot, "queue": polyglot}

    overview = Page(desk.client.get("/tasks/dashboard").text)
    filtered = Page(desk.client.get("/tasks/dashboard", params=form).text)
    detail = Page(desk.client.get(f"/tasks/dashboard/tasks/{task_id}").text)
    problem = Page(desk.client.get("/tasks/dashboard", params={polyglot: polyglot}).text)

    # Title, function, queue, tag and error; on its own page also the log, the traceback of
    # each attempt and the arguments.
    assert overview.text.count(polyglot) >= 6
    assert detail.text.count(polyglot) >= 10
    assert polyglot in problem.text
    assert filtered.attributes("value").count(polyglot) >= 3
    assert [safe(page) for page in (overview, filtered, detail, problem)] == [True] * 4


def test_the_overview_shows_totals_queues_and_tasks(desk):
    done = desk.ended(desk.succeed, queue="mail", tags={"order": "7"}).task_id
    failed = desk.ended(desk.fail).task_id

    page = Page(desk.client.get("/tasks/dashboard").text)

    links = page.attributes("href")
    assert [f"/tasks/dashboard?status={status.value}" in links for status in TaskStatus] == [
        True
    ] * len(TaskStatus)
    assert f"/tasks/dashboard/tasks/{done}" in links
    assert f"/tasks/dashboard/tasks/{failed}" in links
    for words in ("50.0%", "order: 7", "no answer", "mail", "no limit", "2 tasks"):
        assert words in page.text, words


def test_the_form_keeps_what_was_chosen_and_filters(desk):
    desk.ended(desk.succeed)
    failed = desk.ended(desk.fail).task_id

    page = Page(
        desk.client.get(
            "/tasks/dashboard",
            params={"status": "failed", "func_name": "fail", "since": "6h", "q": "no", "tag": ""},
        ).text
    )

    tasks = [link for link in page.attributes("href") if "/tasks/dashboard/tasks/" in link]
    chosen = {
        attrs.get("value")
        for name, attrs in page.elements
        if "selected" in attrs or name == "input"
    }
    assert tasks == [f"/tasks/dashboard/tasks/{failed}"]
    assert {"failed", "fail", "6h", "no"} <= chosen


def test_older_tasks_are_a_page_away(desk):
    added = [desk.ended(desk.succeed).task_id for _ in range(5)]

    first = Page(desk.client.get("/tasks/dashboard?limit=3&func_name=succeed").text)
    (older,) = [link for link in first.attributes("href") if "cursor=" in link]
    second = Page(desk.client.get(f"/tasks/dashboard{older}").text)

    shown = [
        [link[-36:] for link in page.attributes("href") if "/tasks/dashboard/tasks/" in link]
        for page in (first, second)
    ]
    assert shown == [added[:1:-1], added[1::-1]]
    assert "Newest" in second.text
    assert "Newest" not in first.text


def test_the_page_refreshes_only_where_that_is_asked_for(memory_desk):
    plain = Page(memory_desk.client.get("/tasks/dashboard").text)
    live = Page(memory_desk.client.get("/tasks/dashboard?refresh=5&status=failed").text)

    refreshing = {"http-equiv": "refresh", "content": "5"}
    assert ("meta", refreshing) not in plain.elements
    assert ("meta", refreshing) in live.elements
    # How to pause, with the filter kept.
    assert "?status=failed&refresh=0" in live.attributes("href")


def test_a_task_has_a_page_with_all_that_is_known(desk):
    task_id = desk.ended(desk.flaky, 42, tags={"order": "7"}).task_id

    page = Page(desk.client.get(f"/tasks/dashboard/tasks/{task_id}").text)

    for words in ("flaky", task_id, "order: 7", "42", "no answer", "Traceback", "--- Retry 1 ---"):
        assert words in page.text, words
    assert page.text.count("no answer") >= 4
    assert "Earlier attempts" in page.text


# Buttons


def posts(page: Page) -> list[str]:
    return [
        attrs["action"] or ""
        for name, attrs in page.elements
        if name == "form" and attrs.get("method") == "post"
    ]


def press(desk, page_path: str, ending: str):
    """Press the button whose form goes to an address with this ending."""
    page = Page(desk.client.get(page_path).text)
    (action,) = [one for one in posts(page) if one.endswith(ending)]
    return desk.client.post(
        action, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False
    )


def test_retry_leads_to_the_new_task(desk):
    failed = desk.ended(desk.fail, 1).task_id

    answer = press(desk, f"/tasks/dashboard/tasks/{failed}", "/retry")

    new = answer.headers["Location"].removeprefix("/tasks/dashboard/tasks/")
    assert answer.status_code == 303
    assert desk.client.get(f"/tasks/{new}").json()["retry_of"] == failed
    # A second press is not offered, and leads nowhere.
    page = Page(desk.client.get(f"/tasks/dashboard/tasks/{failed}").text)
    assert posts(page) == []
    assert f"/tasks/dashboard/tasks/{new}" in page.attributes("href")
    again = desk.client.post(f"/tasks/dashboard/tasks/{failed}/retry")
    assert again.status_code == 409
    assert new in Page(again.text).text


def test_cancel_leads_back_to_the_task(desk):
    running = desk.running(desk.refuse)

    answer = press(desk, f"/tasks/dashboard/tasks/{running}", "/cancel")

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/tasks/dashboard/tasks/{running}",
    )
    page = Page(desk.client.get(answer.headers["Location"]).text)
    assert "Asked to stop" in page.text
    assert posts(page) == []


def test_a_queue_is_paused_and_resumed(desk):
    paused = press(desk, "/tasks/dashboard", "/queues/mail/pause")
    stats = desk.client.get("/tasks/queues").json()
    resumed = press(desk, "/tasks/dashboard", "/queues/mail/resume")

    assert (paused.status_code, paused.headers["Location"]) == (303, "/tasks/dashboard")
    assert [queue["paused"] for queue in stats] == [False, True]
    assert resumed.status_code == 303
    assert [each["action"] for each in desk.client.get("/tasks/audit").json()] == [
        "resume",
        "pause",
    ]


def test_what_is_not_possible_is_said_on_a_page(desk):
    done = desk.ended(desk.succeed).task_id

    answer = desk.client.post(f"/tasks/dashboard/tasks/{done}/retry")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "success" in Page(answer.text).text


def test_forms_tell_their_origin_over_plain_http(memory_desk):
    # Under the header's no-referrer alone, browsers send `Origin: null` with a form.
    page = Page(memory_desk.client.get("/tasks/dashboard").text)

    assert ("meta", {"name": "referrer", "content": "same-origin"}) in page.elements


# Places


def mounted(**mount) -> FastAPI:
    """Two apps with a TaskAdmin each, mounted in a third one."""
    root = FastAPI()
    for place in ("/shop", "/stock"):
        manager = TaskManager()
        sub = FastAPI()
        TaskAdmin(sub, manager, "/admin/tasks")
        manager.init_app(root)
        root.mount(place, sub, **{key: value + place for key, value in mount.items()})
    return root


@pytest.mark.parametrize("name", [None, "the"])
@pytest.mark.parametrize("root_path", ["", "/api"])
def test_links_lead_where_they_should_under_any_mount(name, root_path):
    app = mounted(**({"name": name} if name else {}))
    with TestClient(app, root_path=root_path) as client:
        # As servers do it: the path has the root path in front.
        page = Page(client.get(f"{root_path}/stock/admin/tasks/dashboard").text)
        addresses = {
            urlsplit(one).path
            for one in page.attributes("href") + page.attributes("action")
            if one[0] == "/"
        }
        answers = {one: client.get(one).status_code for one in addresses}

    base = f"{root_path}/stock/admin/tasks/dashboard"
    assert answers == {
        base: 200,
        f"{base}/assets/icon.svg": 200,
        f"{base}/assets/status.css": 200,
        f"{base}/queues/default/pause": 405,
    }


def test_links_and_redirects_keep_the_root_path():
    app = FastAPI()
    TaskAdmin(app, TaskManager())

    with TestClient(app, root_path="/be hind/ü") as client:
        page = Page(client.get("/tasks/dashboard").text)
        answer = client.post("/tasks/dashboard/queues/default/pause", follow_redirects=False)
        listed = client.get("/tasks/audit?limit=1")
        client.post("/tasks/queues/default/pause")
        paged = client.get("/tasks/audit?limit=1")

    assert "/be%20hind/%C3%BC/tasks/dashboard/assets/status.css" in page.attributes("href")
    assert answer.headers["Location"] == "/be%20hind/%C3%BC/tasks/dashboard"
    assert "Link" not in listed.headers
    assert paged.headers["Link"].startswith("</be%20hind/%C3%BC/tasks/audit?limit=1&cursor=")


def test_two_admins_of_one_app_stay_apart():
    app, managers = FastAPI(), [TaskManager(), TaskManager()]
    for manager, path in zip(managers, ("/mails", "/reports"), strict=True):
        TaskAdmin(app, manager, path, title=path)

    with TestClient(app) as client:
        client.post("/mails/queues/default/pause")
        pages = [Page(client.get(f"{path}/dashboard").text) for path in ("/mails", "/reports")]

    for page, path in zip(pages, ("/mails", "/reports"), strict=True):
        assert {one.split("/")[1] for one in page.attributes("href") if one[0] == "/"} == {path[1:]}
    assert ["paused" in page.text for page in pages] == [True, False]


@pytest.mark.parametrize(
    ("name", "kind"), [("status.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")]
)
def test_files_are_served_with_their_type(memory_desk, name, kind):
    response = memory_desk.client.get(f"/tasks/dashboard/assets/{name}")

    assert (response.status_code, response.headers["content-type"]) == (200, kind)
    assert response.content


def test_auto_install_manages_plain_background_tasks():
    manager, app = TaskManager(), FastAPI()
    TaskAdmin(app, manager, auto_install=True)

    async def start(background_tasks: BackgroundTasks):
        return background_tasks.add_task(manager.task(name="note")(lambda: None))

    app.add_api_route("/start", start, methods=["POST"])

    with TestClient(app) as client:
        task_id = client.post("/start").json()
        assert client.get(f"/tasks/{task_id}").json()["status"] == "success"
