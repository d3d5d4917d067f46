"""The demo as whoever types `make demo` sees it: a process, its URLs, its customers."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.crash

ROOT = Path(__file__).resolve().parents[2]
ENDED = {"success", "failed", "interrupted", "cancelled", "rejected"}
# The shop's own, and what a drain may take beyond it (SEMANTICS).
DRAIN, REST = 3.0, 2.0


class Shop:
    """The running demo, with the URLs that it printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.process = process
        self.urls: dict[str, str] = {}
        for line in process.stdout:
            if found := re.fullmatch(r"  ([a-z ]+?) +(http://\S+)\n", line):
                self.urls[found[1]] = found[2]
            if len(self.urls) == 3:
                break
        self.client = httpx2.Client(base_url=self.urls["task list"].removesuffix("/tasks"))

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
def opened(db: Path) -> Iterator[Shop]:
    command = [sys.executable, "-m", "examples.shop", "--port", "0", "--db", str(db)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            shop = Shop(process)
            with shop.client:
                yield shop
        finally:
            process.kill()


def eventually(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def test_it_prints_its_urls_and_customers_come_pay_and_are_retried(tmp_path):
    with opened(tmp_path / "shop.db") as shop:
        assert {shop.client.get(url).status_code for url in shop.urls.values()} == {200}
        assert set(shop.urls) == {"app", "task list", "status page"}

        eventually(lambda: len(shop.tasks(status="success")) > 5)
        eventually(lambda: any(one["retries_used"] for one in shop.tasks(queue="payments")))

        shop.process.send_signal(signal.SIGINT)
        assert shop.process.wait(DRAIN + REST) == 0


def test_killed_and_opened_again_it_ends_what_it_had_accepted(tmp_path):
    db = tmp_path / "shop.db"
    with opened(db) as shop:
        report = shop.report("2026-04-30")
        orders = [shop.order(f"order {number}") for number in range(5)]
        eventually(lambda: shop.task(report)["status"] == "running")
        killed = shop.task(report)["instance"]
        shop.process.send_signal(signal.SIGKILL)
        shop.process.wait()

    with opened(db) as shop:
        ended = eventually(lambda: all_ended(shop, [report, *orders]))

        assert ended[report]["status"] == "success"
        assert ended[report]["instance"] != killed
        assert {ended[order]["status"] for order in orders} <= {"success", "failed"}

        shop.process.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal that it was sent, once everything is closed.
        assert shop.process.wait(DRAIN + REST) == -signal.SIGTERM


def test_an_order_that_is_sent_twice_is_charged_once(tmp_path):
    with opened(tmp_path / "shop.db") as shop:
        first, second = shop.order("double click"), shop.order("double click")
        changed = {"sku": "mug", "quantity": 3, "email": "ada@example.com"}
        key = {"Idempotency-Key": "double click"}

        assert first == second
        assert shop.client.post("/orders", json=changed, headers=key).status_code == 409


def all_ended(shop: Shop, ids: list[str]) -> dict[str, dict[str, Any]] | None:
    tasks = {task_id: shop.task(task_id) for task_id in ids}
    return tasks if all(task["status"] in ENDED for task in tasks.values()) else None
