"""The demo as whoever types `fastapi-taskflow demo` sees it: its URLs, its customers, its end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.crash

COMMAND = Path(sys.executable).with_name("fastapi-taskflow")
ENDED = {"success", "failed", "interrupted", "cancelled", "rejected"}
PATIENCE_SECONDS = 60.0


class Shop:
    """The running demo, with the URLs that it printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.process = process
        self.urls: dict[str, str] = {}
        for line in process.stdout:
            if found := re.fullmatch(r"  ([a-z]+) +(http://\S+)\n", line):
                self.urls[found[1]] = found[2]
            if len(self.urls) == 3:
                break
        self.client = httpx2.Client(base_url=self.urls["tasks"].removesuffix("/tasks"))

    def tasks(self, **filters: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.client.get("/tasks", params=filters).json()
        return tasks

    def task(self, task_id: str) -> dict[str, Any]:
        task: dict[str, Any] = self.client.get(f"/tasks/{task_id}").json()
        return task

    def order(self, key: str) -> str:
        order = {"sku": "mug", "quantity": 2, "email": "ada@example.com"}
        answer = self.client.post("/orders", json=order, headers={"Idempotency-Key": key})
        return str(answer.raise_for_status().json()["task"])

    def report(self, day: str) -> str:
        return str(self.client.post(f"/reports/{day}").raise_for_status().json()["task"])


@contextmanager
def started(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """The command in an empty folder, with a folder of its own for temporary files."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [str(COMMAND), "demo", "--port", "0", *options]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def opened(folder: Path, *options: str) -> Iterator[Shop]:
    with started(folder, *options) as process:
        shop = Shop(process)
        with shop.client:
            yield shop


def eventually(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def test_it_prints_its_urls_and_customers_come_pay_and_are_retried(tmp_path):
    with opened(tmp_path) as shop:
        assert {shop.client.get(url).status_code for url in shop.urls.values()} == {200}
        assert set(shop.urls) == {"app", "tasks", "dashboard"}
        assert str(shop.client.get("/", follow_redirects=True).url) == shop.urls["dashboard"]

        eventually(lambda: len(shop.tasks(status="success")) > 5)
        eventually(lambda: any(one["retries_used"] for one in shop.tasks(queue="payments")))
        eventually(lambda: shop.tasks(status="failed"))

        shop.process.send_signal(signal.SIGINT)
        assert shop.process.wait(PATIENCE_SECONDS) == 0

    assert list((tmp_path / "temporary").iterdir()) == []


def test_pictures_are_drawn_in_processes_of_which_some_crash(tmp_path):
    with opened(tmp_path, "--no-traffic") as shop:

        def crashed() -> list[dict[str, Any]]:
            shop.client.post("/products/mug/images", params={"width": 20}).raise_for_status()
            found: list[dict[str, Any]] = shop.tasks(status="interrupted")
            return found

        (first, *_) = eventually(crashed)
        drawn = eventually(lambda: shop.tasks(status="success", queue="images"))

        assert {one["executor"] for one in (first, *drawn)} == {"process"}
        assert "was killed by SIGKILL (signal 9)" in first["error"]
        assert drawn[0]["logs"][-1].endswith("mug drawn, 40 bytes")


def test_an_import_asks_the_supplier_no_faster_than_it_may_and_can_be_followed(tmp_path):
    with opened(tmp_path, "--no-traffic") as shop:
        answer = shop.client.post("/imports", params={"products": 8})
        followed = answer.headers["location"]
        page = shop.client.get("/imports").text

        def over() -> dict[str, Any]:
            status: dict[str, Any] = shop.client.get(followed).json()
            return status if status["over"] else {}

        status = eventually(over)
        (told,) = eventually(lambda: shop.tasks(func_name="tell_of_import", status="success"))
        starts = sorted(one["start_time"] for one in shop.tasks(func_name="import_product"))

    assert answer.status_code == 202
    assert "new EventSource" in page
    assert (status["progress"]["done"], status["progress"]["total"]) == (8, 8)
    assert told["logs"][-1].endswith("of 8 products imported")
    taken = datetime.fromisoformat(starts[-1]) - datetime.fromisoformat(starts[0])
    # Five at once, and then one every 0.2 seconds.
    assert taken.total_seconds() > 0.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_keeps_its_files_if_asked(tmp_path, number):
    with opened(tmp_path, "--keep", "--no-traffic") as shop:
        task = shop.order("kept")
        eventually(lambda: shop.task(task)["status"] in ENDED)

        shop.process.send_signal(number)
        assert shop.process.stdout is not None
        last = shop.process.stdout.read().splitlines()[-1]
        assert shop.process.wait(PATIENCE_SECONDS) == 0

    (folder,) = (tmp_path / "temporary").iterdir()
    assert last == f"The tasks are kept in {folder / 'shop.db'}"
    assert (folder / "shop.db").stat().st_size
    assert (folder / "shop.log").stat().st_size


def test_for_programs_it_writes_one_json_document(tmp_path):
    with started(tmp_path, "--json") as process:
        assert process.stdout is not None
        document = ""
        while not document.endswith("}\n"):
            document += process.stdout.readline()
        told = json.loads(document)
        assert httpx2.get(told["tasks"]).json() is not None
        assert httpx2.get(told["dashboard"]).status_code == 200

        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait(PATIENCE_SECONDS) == 0

    assert not Path(told["db"]).exists()


def test_a_taken_port_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [COMMAND, "demo", "--port", port],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended.returncode == 1
    assert list(tmp_path.iterdir()) == []
    assert ended.stderr.startswith(f"error: Port {port} is taken")


def test_a_shop_that_cannot_open_says_where_to_read_why(tmp_path):
    (tmp_path / "shop.db").write_text("not a database, and long enough to be told from one" * 9)

    ended = subprocess.run(
        [COMMAND, "demo", "--port", "0", "--db", tmp_path / "shop.db"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: The shop could not open; why is in ")
    assert "not a database" in (tmp_path / "shop.log").read_text()


def test_without_uvicorn_it_says_what_to_install(tmp_path):
    hidden = "import sys; sys.modules['uvicorn'] = None; from fastapi_taskflow.cli import main; "
    ended = subprocess.run(
        [sys.executable, "-c", hidden + "sys.argv[1:] = ['demo']; main()"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "pip install uvicorn" in ended.stderr


def test_killed_and_opened_again_it_ends_what_it_had_accepted(tmp_path):
    with opened(tmp_path, "--db", "shop.db") as shop:
        report = shop.report("2026-04-30")
        orders = [shop.order(f"order {number}") for number in range(5)]
        eventually(lambda: shop.task(report)["status"] == "running")
        killed = shop.task(report)["instance"]
        shop.process.send_signal(signal.SIGKILL)
        shop.process.wait()

    with opened(tmp_path, "--db", "shop.db") as shop:
        ended = eventually(lambda: all_ended(shop, [report, *orders]))

        assert ended[report]["status"] == "success"
        assert (ended[report]["progress"]["done"], ended[report]["progress"]["total"]) == (24, 24)
        assert ended[report]["instance"] != killed
        assert {ended[order]["status"] for order in orders} <= {"success", "failed"}

        shop.process.send_signal(signal.SIGTERM)
        assert shop.process.wait(PATIENCE_SECONDS) == 0

    assert (tmp_path / "shop.db").exists()


def test_an_order_that_is_sent_twice_is_charged_once(tmp_path):
    with opened(tmp_path) as shop:
        first, second = shop.order("double click"), shop.order("double click")
        changed = {"sku": "mug", "quantity": 3, "email": "ada@example.com"}
        key = {"Idempotency-Key": "double click"}

        assert first == second
        assert shop.client.post("/orders", json=changed, headers=key).status_code == 409


def all_ended(shop: Shop, ids: list[str]) -> dict[str, dict[str, Any]] | None:
    tasks = {task_id: shop.task(task_id) for task_id in ids}
    return tasks if all(task["status"] in ENDED for task in tasks.values()) else None
