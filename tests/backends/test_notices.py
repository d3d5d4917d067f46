"""Hints between instances on PostgreSQL: heard at once, and found again after a cut."""

import asyncio
from collections.abc import Iterator

import pytest

from fastapi_taskflow import PostgresBackend, TaskManager
from fastapi_taskflow.engine.run import claims
from fastapi_taskflow.testing.conformance.harness import accept, ignore, task
from fastapi_taskflow.words.ids import new_id
from tests.support.databases import TestDatabase, database
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[TestDatabase]:
    with database("postgresql") as made:
        yield made


async def test_a_task_is_heard_of_without_a_poll(
    server: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "POLL_SECONDS", 3_600.0)
    web = TaskManager(snapshot_backend=server.url, roles={"enqueue"})
    worker = TaskManager(snapshot_backend=server.url)
    ran: list[int] = []
    for manager in (web, worker):

        @manager.task(persist=True)
        async def note(number: int) -> None:
            ran.append(number)

    async with web, worker:
        for number in range(3):
            await web.enqueue(web.registry.get_by_name("note")[0], number)  # type: ignore[index]
            await wait_until(lambda: len(ran) == number + 1)  # noqa: B023  (called before the next)

    assert ran == [0, 1, 2]


async def test_a_cut_connection_listens_again(server: TestDatabase) -> None:
    heard: list[bool] = []
    one, other = PostgresBackend(server.url), PostgresBackend(server.url)
    await one.open(ignore)
    await other.open(lambda: heard.append(True))
    # Once it listens.
    await wait_until(lambda: heard)

    heard.clear()
    cut = await asyncio.to_thread(
        server.run,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    assert len(cut) == 2
    await wait_until(lambda: heard)

    async def tell() -> bool:
        heard.clear()
        await accept(one, task(task_id=new_id()))
        await asyncio.sleep(0.05)
        return bool(heard)

    # The one that tells connects anew as well.
    await wait_until(tell)
    await one.close()
    await other.close()
