"""Servers that stop, hang, are cut off or may only be read: refused in time, and nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from fastapi_taskflow import StoreUnavailable, TaskManager, TaskRecord, TaskStatus
from fastapi_taskflow.exceptions import StoreFull
from tests.support.failovers import failed_over
from tests.support.waiting import wait_until
from trust.ownserver import OwnServer
from trust.ownstores import own_store
from trust.proxy import Proxy, proxied
from trust.restarts import Options, measure
from trust.servers import USER, OwnRedis, own_server
from trust.stores import backend_of

pytestmark = [pytest.mark.anyio, pytest.mark.crash, pytest.mark.slow]

KINDS = "postgresql", "mysql", "redis"
PATIENCE = 0.3
# What no machine needs for a heartbeat, however busy it is.
TTL = 60.0


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    with own_server(request.param) as server:
        yield server


class Place:
    """Managers on a new store of the server, which they reach through a proxy."""

    def __init__(
        self,
        server: OwnServer,
        proxy: Proxy,
        store: str,
        stack: AsyncExitStack,
        kept: ExitStack,
    ) -> None:
        self.server = server
        self.proxy = proxy
        self.store = store
        self.ran: list[str] = []
        self.release = asyncio.Event()
        self._url = store.replace(f":{server.port}/", f":{proxy.port}/")
        # Whom a server that may only be read refuses as it refuses users.
        self._url = self._url.replace("//root@", f"//{USER}@")
        self._stack = stack
        self.kept = kept

    async def manager(self) -> TaskManager:
        manager = TaskManager(
            snapshot_backend=backend_of(self._url), heartbeat_interval=0.1, instance_ttl=TTL
        )
        manager.runtime.settings = replace(manager.runtime.settings, enqueue_patience=PATIENCE)
        manager.task(persist=True)(self.note)
        manager.task(persist=True)(self.hold)
        return await self._stack.enter_async_context(manager)

    async def note(self, name: str) -> None:
        self.ran.append(name)

    async def hold(self, name: str) -> None:
        self.ran.append(name)
        await self.release.wait()


@pytest.fixture
async def place(server: OwnServer, tmp_path: Path) -> AsyncIterator[Place]:
    # Made where nobody waits for it, because it has an event loop of its own.
    store = own_store(server.url, tmp_path)
    address = await asyncio.to_thread(store.__enter__)
    try:
        with ExitStack() as kept:
            async with AsyncExitStack() as stack:
                proxy = await stack.enter_async_context(proxied(server.port))
                yield Place(server, proxy, address, stack, kept)
    finally:
        await asyncio.to_thread(store.__exit__, None, None, None)


async def ended(manager: TaskManager, task_id: str) -> TaskRecord | None:
    try:
        record = await manager.get(task_id)
    except StoreUnavailable:
        return None
    return record if record is not None and record.end_time is not None else None


async def accepted(manager: TaskManager, place: Place, name: str) -> str:
    """As a client who comes back as long as it is told to."""

    async def asked() -> str | None:
        try:
            return (await manager.enqueue(place.note, name, idempotency_key=name)).task_id
        except StoreUnavailable:
            return None

    return str(await wait_until(asked))


async def through(place: Place, manager: TaskManager, task_id: str) -> None:
    """What was running has ended well, new work does, and nobody was taken for dead."""
    name = manager.runtime.engine().instance_id
    new = await accepted(manager, place, "afterwards")
    for one in (task_id, new):
        record = await wait_until(partial(ended, manager, one))
        assert record.status is TaskStatus.SUCCESS
    assert place.ran.count("held") == place.ran.count("afterwards") == 1
    assert manager.runtime.engine().instance_id == name


async def held(place: Place, manager: TaskManager) -> str:
    task_id = (await manager.enqueue(place.hold, "held")).task_id
    await wait_until(lambda: "held" in place.ran)
    return task_id


async def test_a_server_that_stops_and_comes_back_costs_no_task(place: Place) -> None:
    manager = await place.manager()
    task_id = await held(place, manager)

    await asyncio.to_thread(place.server.stop, place.server.end)
    try:
        with pytest.raises(StoreUnavailable):
            await manager.enqueue(place.note, "refused")
        place.release.set()
    finally:
        await asyncio.to_thread(place.server.start)

    await through(place, manager, task_id)
    assert "refused" not in place.ran


async def test_a_connection_that_is_cut_in_mid_statement_stores_a_task_once(place: Place) -> None:
    manager = await place.manager()
    task_id = await held(place, manager)

    tasks = []
    for number in range(30):
        place.proxy.cut_after(1 + 61 * number)
        tasks.append(await accepted(manager, place, f"cut {number}"))
    place.proxy.heal()
    for one in tasks:
        record = await wait_until(partial(ended, manager, one))
        assert record.status is TaskStatus.SUCCESS

    assert sorted(place.ran[1:]) == sorted(f"cut {number}" for number in range(30))
    place.release.set()
    await through(place, manager, task_id)


async def test_a_server_that_falls_silent_is_an_outage_that_ends_with_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_taskflow.backends.tries._DEADLINE_SECONDS", 3.0)
    manager = await place.manager()
    task_id = await held(place, manager)

    place.proxy.silence()
    with pytest.raises(StoreUnavailable):
        await manager.enqueue(place.note, "unknown")
    place.release.set()
    # Who was connected then is never answered.
    place.proxy.forget()

    await through(place, manager, task_id)


async def test_a_slow_server_is_waited_for(place: Place) -> None:
    manager = await place.manager()
    task_id = await held(place, manager)

    place.proxy.delay = 0.2
    place.release.set()

    await through(place, manager, task_id)


async def test_after_a_failover_connections_that_may_only_read_are_given_up(place: Place) -> None:
    manager = await place.manager()
    task_id = await held(place, manager)

    async with failed_over(place.server, place.proxy, place.store, place.kept):
        with pytest.raises(StoreUnavailable):
            await manager.enqueue(place.note, "refused")
        place.release.set()

    await through(place, manager, task_id)
    assert "refused" not in place.ran


async def test_a_server_without_room_refuses_new_tasks_and_loses_none(place: Place) -> None:
    if not isinstance(place.server, OwnRedis):
        pytest.skip("tests/faults/test_full_servers.py fills its disk")
    manager = await place.manager()
    task_id = await held(place, manager)

    with place.server.filled():
        with pytest.raises(StoreFull):
            await manager.enqueue(place.note, "refused")
        place.release.set()
        # What is there goes on: else nothing would make room.
        await wait_until(partial(ended, manager, task_id))
        assert (await manager.operations.purge_history(timedelta())).deleted == 1
        other = await place.manager()

    later = await accepted(other, place, "afterwards")
    assert (await wait_until(partial(ended, other, later))).status is TaskStatus.SUCCESS
    assert sorted(place.ran) == ["afterwards", "held"]


def test_restarts_under_load_lose_nothing_and_double_nothing(server: OwnServer) -> None:
    found = measure(server, Options(seconds=3.0, every=1.0, ttl=TTL))

    assert found.faults == []
    assert found.restarts >= 2
    assert found.accepted > 0
