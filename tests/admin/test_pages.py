"""The dashboard's page and files: where they are served, what they are told, and to whom."""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.admin.site import bundle
from tests.admin.pages import Page

POLYGLOTS = [
    "<script>window.__pwn=1</script>",
    "\"><img src=x onerror='window.__pwn=1'>",
    "</title></textarea></style><script>window.__pwn=1</script>",
    "<!--<script>-->window.__pwn=1",
    "&quot;}'><svg/onload=window.__pwn=1>",
    "\uff1cscript\uff1ewindow.__pwn=1\uff1c/script\uff1e",
]


@pytest.mark.parametrize("place", ["", "/", "/tasks?status=failed", "/tasks/some-id", "/any/where"])
def test_one_page_serves_every_address(memory_desk, place):
    answer = memory_desk.client.get(f"/tasks/dashboard{place}", follow_redirects=True)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert Page(answer.text).settings["base"] == "/tasks"


@pytest.mark.parametrize("polyglot", POLYGLOTS)
def test_a_title_stays_text(open_desk, polyglot):
    desk = open_desk(title=polyglot)

    page = Page(desk.client.get("/tasks/dashboard").text)

    assert page.settings["title"] == polyglot
    scripts = [attrs for name, attrs in page.elements if name == "script"]
    assert [attrs["src"] for attrs in scripts if attrs] == page.attributes("src")
    assert len(scripts) == 1
    assert {name for name, _ in page.elements} <= {
        *("html", "head", "meta", "title", "link", "script", "body", "div", "noscript", "p")
    }


def test_nothing_of_the_page_is_inline(memory_desk):
    page = Page(memory_desk.client.get("/tasks/dashboard").text)

    assert not page.attributes("style")
    assert not [key for _, attrs in page.elements for key in attrs if key.startswith("on")]
    assert "".join(page.words).strip().startswith("fastapi-taskflow")


def test_forms_tell_their_origin_over_plain_http(memory_desk):
    # Under the header's no-referrer alone, browsers send `Origin: null` with a form.
    page = Page(memory_desk.client.get("/tasks/dashboard").text)

    assert ("meta", {"name": "referrer", "content": "same-origin"}) in page.elements


def test_without_the_build_the_page_says_what_to_run(memory_desk, monkeypatch, tmp_path):
    (tmp_path / "static").symlink_to(Path(bundle.__file__).parent / "static")
    monkeypatch.setattr(bundle, "files", lambda _: tmp_path)
    bundle.load.cache_clear()

    answer = memory_desk.client.get("/tasks/dashboard/tasks")
    style = memory_desk.client.get("/tasks/dashboard/assets/status.css")

    bundle.load.cache_clear()
    assert answer.status_code == 503
    assert "make dashboard" in Page(answer.text).text
    assert style.status_code == 200
    assert memory_desk.client.get("/tasks").status_code == 200


# Files


def files(desk) -> list[str]:
    page = Page(desk.client.get("/tasks/dashboard").text)
    return [one for one in page.attributes("href") + page.attributes("src") if "/assets/" in one]


def test_files_have_their_type_and_may_be_kept_where_their_name_says_what_they_are(memory_desk):
    answers = {name.rpartition("/")[2]: memory_desk.client.get(name) for name in files(memory_desk)}

    kinds = {name.rpartition(".")[2]: one.headers["content-type"] for name, one in answers.items()}
    assert kinds == {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
    assert {one.status_code for one in answers.values()} == {200}
    kept = {name.rpartition(".")[2]: one.headers["cache-control"] for name, one in answers.items()}
    lasting = "private, max-age=31536000, immutable"
    assert kept == {"css": lasting, "js": lasting, "svg": "no-store"}
    assert {one.headers["x-content-type-options"] for one in answers.values()} == {"nosniff"}


def test_files_are_packed_for_who_takes_them_so(memory_desk):
    (script,) = [name for name in files(memory_desk) if name.endswith(".js")]

    plain = memory_desk.client.get(script, headers={"Accept-Encoding": "identity"})
    packed = memory_desk.client.get(script, headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.content == plain.content


def test_an_unknown_file_is_not_kept(memory_desk):
    answer = memory_desk.client.get("/tasks/dashboard/assets/main-old.js")

    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


def test_all_files_together_are_small():
    built = bundle.load()

    packed = sum(len(gzip.compress(one.content)) for one in built.assets.values())
    assert built.script is not None
    assert packed <= 200_000


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
def test_addresses_are_right_under_any_mount(name, root_path):
    app = mounted(**({"name": name} if name else {}))
    base = f"{root_path}/stock/admin/tasks"
    with TestClient(app, root_path=root_path) as client:
        # As servers do it: the path has the root path in front.
        page = Page(client.get(f"{base}/dashboard/tasks/x").text)
        addresses = {urlsplit(one).path for one in page.attributes("href") + page.attributes("src")}
        answers = {client.get(one).status_code for one in addresses}
        listed = client.get(f"{base}/queues")

    assert page.settings["base"] == base
    assert len(addresses) == 3
    assert {one.rpartition("/")[0] for one in addresses} == {f"{base}/dashboard/assets"}
    assert (answers, listed.status_code) == ({200}, 200)


def test_addresses_keep_the_root_path():
    app = FastAPI()
    TaskAdmin(app, TaskManager())

    with TestClient(app, root_path="/be hind/ü") as client:
        page = Page(client.get("/tasks/dashboard").text)
        listed = client.get("/tasks/audit?limit=1")
        for _ in range(2):
            client.post("/tasks/queues/default/pause")
        paged = client.get("/tasks/audit?limit=1")

    assert page.settings["base"] == "/be%20hind/%C3%BC/tasks"
    assert "Link" not in listed.headers
    assert paged.headers["Link"].startswith("</be%20hind/%C3%BC/tasks/audit?limit=1&cursor=")


def test_two_admins_of_one_app_stay_apart():
    app = FastAPI()
    for path in ("/mails", "/reports"):
        TaskAdmin(app, TaskManager(), path, title=path)

    with TestClient(app) as client:
        told = [
            Page(client.get(f"{path}/dashboard").text).settings for path in ("/mails", "/reports")
        ]

    assert [(one["base"], one["title"]) for one in told] == [("/mails",) * 2, ("/reports",) * 2]


def test_auto_install_manages_plain_background_tasks():
    manager, app = TaskManager(), FastAPI()
    TaskAdmin(app, manager, auto_install=True)

    async def start(background_tasks: BackgroundTasks):
        return background_tasks.add_task(manager.task(name="note")(lambda: None))

    app.add_api_route("/start", start, methods=["POST"])

    with TestClient(app) as client:
        task_id = client.post("/start").json()
        assert client.get(f"/tasks/{task_id}").json()["status"] == "success"
