"""Rows that another program or a failing disk has spoilt: everybody else goes on."""

# ruff: noqa: S608  (statements are put together from constants)

import asyncio
import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from fastapi_taskflow import SqliteBackend, TaskAdmin, TaskManager
from fastapi_taskflow.cli.program import app as command
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio

NO_UTF8 = b"\xff\xfe"
HUGE = 2**62
GOOD = 20

# What somebody may put into a column of a task. Text that is no UTF-8 goes in as a cast blob.
SPOILT: list[tuple[str, Any]] = [
    ("tags", "{bad"),
    ("tags", "[1]"),
    ("tags", '{"a": 5}'),
    ("tags", "[" * 100_000),
    ("tags", NO_UTF8),
    ("tags", 7),
    ("state", "abc"),
    ("state", -1),
    ("state", 99),
    ("created_at", "yesterday"),
    ("created_at", HUGE),
    ("created_at", -HUGE),
    ("start_at", "x"),
    ("end_at", "x"),
    ("due_at", None),
    ("due_at", "soon"),
    ("rank", "high"),
    ("priority", "high"),
    ("priority", 1.5),
    ("failures", "many"),
    ("interruptions", "many"),
    ("interruptions", NO_UTF8),
    ("retries_used", "many"),
    ("elapsed", "long"),
    ("elapsed", 9e999),
    ("persist", "yes"),
    ("requeue", "no"),
    ("cancel_asked", "no"),
    ("fence", "x"),
    ("fence", 2**63 - 1),
    ("func", b"\x00\xff"),
    ("func", NO_UTF8),
    ("queue", b"\x00\xff"),
    ("source", b"\x00"),
    ("error", 5),
    ("error", NO_UTF8),
    ("payload", "text"),
    ("payload", b"no arguments"),
    ("id", b"\xff\x00"),
    ("id", NO_UTF8),
    ("instance", b"\x00"),
    ("owner", b"\x00"),
    ("idempotency_key", b"\x00"),
    ("retry_of", b"\x00"),
]


def spoil(db: sqlite3.Connection, table: str, column: str, value: Any, where: str, *given: Any):
    to = "CAST(? AS TEXT)" if value is NO_UTF8 else "?"
    db.execute(f"UPDATE taskflow_{table} SET {column} = {to} WHERE {where}", (value, *given))


def rewrite(path: str, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


class Site:
    """An app on a store, and what everybody who looks at it gets."""

    def __init__(self, path: str) -> None:
        store = SqliteBackend(path, synchronous="NORMAL")
        self.manager = TaskManager(
            snapshot_backend=store, drain_timeout=0.1, heartbeat_interval=0.05, instance_ttl=5
        )
        self.ran: list[int] = []
        app = FastAPI()
        TaskAdmin(app, self.manager, auth=None)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://testserver")
        self.work = self.manager.task(persist=True, name="work")(self._work)

    async def _work(self, number: int) -> None:
        self.ran.append(number)
        if number < 0:
            raise ValueError(number)

    def busy(self) -> int:
        """Slots of this instance that are taken."""
        return sum(queue["running"] for queue in self.manager.queue_stats())

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/tasks{path}", params={"limit": 200} if not path else {})
        assert answer.status_code == 200, (path, answer.text)
        return answer

    async def look(self) -> list[dict[str, Any]]:
        """Everything that shows tasks; what the list has."""
        listed: list[dict[str, Any]] = (await self.get("")).json()
        for path in ("/metrics", "/metrics?bucket=hour", "/queues", "/audit", "/health"):
            await self.get(path)
        for path in (
            "/functions",
            "/instances",
            "?q=w",
            "?status=pending",
            "?tag=a:b",
        ):
            await self.get(path)
        for each in listed:
            if each["task_id"].isascii():
                await self.client.get(f"/tasks/{each['task_id']}")
        return listed


async def waiting(path: str, numbers: Iterable[int]) -> list[str]:
    """Tasks that are due, in a store that nobody uses any more."""
    site = Site(path)
    async with site.manager:
        ids = [(await site.manager.enqueue(site.work, n, delay=3600)).task_id for n in numbers]
    rewrite(path, "UPDATE taskflow_tasks SET due_at = 0")
    return ids


async def test_spoilt_waiting_tasks_stop_no_claim_and_no_list(path):
    ids = await waiting(path, range(GOOD + len(SPOILT)))
    with sqlite3.connect(path) as db:
        for task_id, (column, value) in zip(ids, SPOILT, strict=False):
            spoil(db, "tasks", column, value, "id = ?", task_id)
    db.close()

    site = Site(path)
    async with site.manager:
        good = set(range(len(SPOILT), GOOD + len(SPOILT)))
        await wait_until(lambda: good <= set(site.ran))
        await wait_until(lambda: site.busy() == 0)
        listed = await site.look()
        told = (await site.get("/health")).json()

    shown = {each["task_id"]: each for each in listed}
    assert len(listed) == GOOD + len(SPOILT)
    assert {shown[task_id]["status"] for task_id in ids[-GOOD:]} == {"success"}
    assert "Damaged in the store: tags are '{bad'" in shown[ids[0]]["error"]
    assert (told["status"], len(told["damaged"])) == ("degraded", 10)
    assert "is damaged in the store" in told["reasons"][0]


async def test_arguments_that_are_spoilt_are_named_although_no_list_reads_them(path):
    (bad,) = await waiting(path, [1])
    rewrite(path, f"UPDATE taskflow_tasks SET payload = 'text' WHERE id = '{bad}'")

    site = Site(path)
    async with site.manager:
        await wait_until(lambda: site.manager.runtime.engine().core.damaged)
        await site.look()
        told = (await site.get("/health")).json()

    assert told["reasons"] == [f"task {bad} is damaged in the store: payload is str"]


async def test_one_spoilt_task_is_named_and_does_not_run_until_it_is_mended(path):
    bad, _ = await waiting(path, [1, 2])
    rewrite(path, f"UPDATE taskflow_tasks SET tags = '{{bad' WHERE id = '{bad}'")

    site = Site(path)
    async with site.manager:
        await wait_until(lambda: site.ran == [2])
        await wait_until(lambda: site.manager.runtime.engine().core.damaged)
        await site.look()
        told = (await site.get("/health")).json()
        detail = (await site.get(f"/{bad}")).json()
        retried = await site.client.post(f"/tasks/{bad}/retry")
        rewrite(path, f"UPDATE taskflow_tasks SET tags = NULL, due_at = 0 WHERE id = '{bad}'")
        await wait_until(lambda: site.ran == [2, 1])
        after = (await site.get("/health")).json()

    assert told["damaged"] == [bad]
    assert told["reasons"] == [f"task {bad} is damaged in the store: tags are '{{bad'"]
    assert detail["error"] == "Damaged in the store: tags are '{bad'"
    assert retried.status_code == 400
    assert (after["status"], after["damaged"]) == ("ok", [])


async def test_spoilt_ended_tasks_stop_no_list_no_retry_and_no_purge(path):
    site = Site(path)
    async with site.manager:
        numbers = range(-GOOD - len(SPOILT), 0)
        ids = [(await site.manager.enqueue(site.work, n)).task_id for n in numbers]
        await wait_until(lambda: len(site.ran) == len(numbers))
    with sqlite3.connect(path) as db:
        for task_id, (column, value) in zip(ids, SPOILT, strict=False):
            if (column, value) != ("state", -1):
                spoil(db, "tasks", column, value, "id = ?", task_id)
    db.close()

    rewrite(path, "UPDATE taskflow_tasks SET end_at = 1 WHERE typeof(end_at) = 'integer'")

    site = Site(path)
    async with site.manager:
        listed = await site.look()
        answer = await site.client.post("/tasks/retry-failed", params={"since": "7d"})
        assert answer.status_code == 200, answer.text
        await wait_until(lambda: len(site.ran) >= GOOD)
        purged = await site.client.delete("/tasks/history", params={"value": 1, "unit": "min"})
        assert purged.status_code == 200, purged.text
        await site.look()

    assert len(listed) == len(ids)
    retried = {each["original_task_id"] for each in answer.json()["results"]}
    assert retried >= set(ids[-GOOD:])
    assert purged.json()["backend"] >= GOOD


async def test_a_dead_instance_is_recovered_from_although_one_of_its_rows_is_spoilt(path):
    ids = await waiting(path, range(GOOD + len(SPOILT)))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE taskflow_tasks SET owner = 'dead', fence = 1, due_at = 0")
        for task_id, (column, value) in zip(ids, SPOILT, strict=False):
            spoil(db, "tasks", column, value, "id = ?", task_id)
        info = json.dumps({"ttl": 0.2, "host": 5, "roles": None, "started_at": "once"})
        db.execute(
            "INSERT INTO taskflow_instances VALUES ('dead', ?, 'x', 'y', 0, 'many', 'no')", (info,)
        )
    db.close()

    site = Site(path)
    async with site.manager:
        good = set(range(len(SPOILT), GOOD + len(SPOILT)))
        await wait_until(lambda: good <= set(site.ran))


async def test_spoilt_counters_settings_history_and_audit_stop_nothing(path):
    site = Site(path)
    async with site.manager:
        failed = (await site.manager.enqueue(site.work, -1)).task_id
        await wait_until(lambda: site.ran == [-1])
        await site.client.patch("/tasks/queues/default", json={"max_size": 100})
    with sqlite3.connect(path) as db:
        for text in ("'abc'", "'[1]'", "X'ff'"):
            db.execute(
                f"INSERT INTO taskflow_logs (task, lines) SELECT seq, {text} FROM taskflow_tasks"
            )
        for row in (
            "('q', 'f', 'abc', 1, 1, 1)",
            "('q', 'f', 1, 'x', 'x', 'x')",
            "('q', 'f', 99, 1, 1, 1)",
        ):
            db.execute(f"INSERT INTO taskflow_counters VALUES {row}")
        db.execute("UPDATE taskflow_counters SET rows = 'x' WHERE state = -1")
        for row in (
            "(0, 'f', 'abc', 1, 1, 1, 1)",
            "(0, 'f', 2, 'x', 'x', 'x', 'x')",
            "(0, 'f', 99, 1, 1, 1, 1)",
        ):
            db.execute(f"INSERT INTO taskflow_ends VALUES {row}")
            db.execute(f"INSERT INTO taskflow_rollups SELECT 0, * FROM (VALUES {row})")
        db.execute("UPDATE taskflow_queues SET settings = '{bad'")
        db.execute("INSERT INTO taskflow_queues VALUES ('q', '{\"concurrency\": \"few\"}', 0)")
        db.execute("UPDATE taskflow_audit SET detail = '{bad', at = 'x', action = X'ff'")
        db.execute("INSERT INTO taskflow_instances VALUES ('other', '{bad', 0, 0, 0, X'ff', 'x')")
        db.execute(
            "INSERT INTO taskflow_attempts (task, fence, number, end_at, move, late)"
            " SELECT seq, 50, 0, 0, 'flown', 0 FROM taskflow_tasks"
        )
    db.close()

    site = Site(path)
    async with site.manager:
        await site.look()
        detail = (await site.get(f"/{failed}")).json()
        audit = (await site.get("/audit")).json()
        await site.manager.enqueue(site.work, 1)
        await wait_until(lambda: 1 in site.ran)
        housekeeping = site.manager.runtime.engine().housekeeping
        await housekeeping.sweep(None, most=10)
        purged = await site.manager.runtime.engine().backend.purge(None, limit=1_000)
        assert not purged.left_some(1_000)

    assert "--- some lines are damaged in the store ---" in detail["logs"]
    assert audit[-1]["detail"] == {"damaged": "'{bad'"}


async def test_a_run_at_beyond_the_calendar_that_an_older_release_took_is_listed(path):
    (parked,) = await waiting(path, [1])
    beyond = 253_402_300_800_000_000 + 5 * 3_600_000_000
    rewrite(path, f"UPDATE taskflow_tasks SET due_at = {beyond}")

    site = Site(path)
    async with site.manager:
        (listed,) = await site.look()

    assert (listed["task_id"], listed["status"]) == (parked, "pending")
    assert listed["due_at"].startswith("9999-12-31")
    assert listed["error"] is None


async def test_the_command_line_shows_spoilt_tasks_and_the_doctor_names_them(path):
    ids = await waiting(path, range(len(SPOILT) + 1))
    with sqlite3.connect(path) as db:
        for task_id, (column, value) in zip(ids, SPOILT, strict=False):
            spoil(db, "tasks", column, value, "id = ?", task_id)
    db.close()

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(command, [*arguments, "--store", f"sqlite:///{path}"])

    human, listed, doctor, *shown = [
        await asyncio.to_thread(run, *arguments)
        for arguments in (
            ("tasks", "list"),
            ("tasks", "list", "--json"),
            ("doctor", "--json"),
            *(("tasks", "show", task_id) for task_id in ids),
        )
    ]

    assert (human.exit_code, listed.exit_code) == (0, 0), (human.output, listed.output)
    assert len(json.loads(listed.stdout)["tasks"]) == len(ids)
    assert {each.exit_code for each in shown} <= {0, 1}
    (found,) = [each for each in json.loads(doctor.stdout)["findings"] if each["check"] == "rows"]
    assert found["level"] == "problem"
    assert "tasks damaged" in found["detail"]
    assert ids[len(SPOILT) - 1] + ": retry_of is b'\\x00'" in found["detail"]
