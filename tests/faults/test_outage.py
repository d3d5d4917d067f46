"""A store that is gone for a while: refused in time, nothing accepted is lost, nobody dies."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI

from fastapi_taskflow import (
    Backend,
    MemoryBackend,
    SqliteBackend,
    StoreUnavailable,
    TaskManager,
    TaskStatus,
)
from tests.support.waiting import wait_until
from trust.faulty import Fault, FaultyBackend

PATIENCE = 0.2
TTL = 0.4
# Many times the time-to-live.
OUTAGE_BEATS = 30


class Place:
    """Managers on one store, and what their tasks did."""

    def __init__(self, kind: str, path: Path) -> None:
        self._shared = MemoryBackend()
        self._path = str(path / "tasks.db") if kind == "sqlite" else None
        self.backends: list[FaultyBackend] = []
        self.ran: list[str] = []
        self.release = asyncio.Event()

    def open_store(self) -> Backend:
        return self._shared if self._path is None else SqliteBackend(self._path)

    def manager(self, **settings: int | None) -> TaskManager:
        backend = FaultyBackend(self.open_store())
        self.backends.append(backend)
        manager = TaskManager(
            snapshot_backend=backend, heartbeat_interval=0.05, instance_ttl=TTL, drain_timeout=1.0
        )
        manager.runtime.settings = replace(
            manager.runtime.settings,
            enqueue_patience=PATIENCE,
            watch_interval=0.02,
            **settings,  # type: ignore[arg-type]
        )
        manager.task(persist=True)(self.note)
        manager.task(persist=True)(self.hold)
        return manager

    async def note(self, name: str) -> None:
        self.ran.append(name)

    async def hold(self, name: str) -> None:
        self.ran.append(name)
        await self.release.wait()

    def fall(self, *verbs: str, fault: Fault = Fault.REFUSED) -> None:
        for backend in self.backends:
            backend.fall(*verbs, fault=fault)

    def heal(self) -> None:
        for backend in self.backends:
            backend.heal()


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path)


async def ended(manager: TaskManager) -> bool:
    live = (TaskStatus.PENDING, TaskStatus.RUNNING)
    records = await manager.merged_list()
    return bool(records) and all(record.status not in live for record in records)


async def test_an_enqueue_is_refused_in_time_and_leaves_nothing(place: Place) -> None:
    async with place.manager() as manager:
        place.fall()
        with pytest.raises(StoreUnavailable):
            await manager.enqueue(place.note, "refused")
        place.heal()
        await manager.enqueue(place.note, "accepted")
        await wait_until(lambda: ended(manager))

        assert place.ran == ["accepted"]
        assert len(await manager.merged_list()) == 1


async def test_a_refused_enqueue_that_was_stored_all_the_same_runs_at_most_once(
    place: Place,
) -> None:
    async with place.manager() as manager:
        place.fall("insert", fault=Fault.LOST)
        with pytest.raises(StoreUnavailable):
            await manager.enqueue(place.note, "unknown")
        place.heal()
        await wait_until(lambda: ended(manager))

    assert place.ran == ["unknown"]


async def test_http_says_503_and_when_to_come_back(place: Place) -> None:
    app = FastAPI()
    manager = place.manager()
    manager.install(app)

    @app.post("/")
    def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(place.note, "first")
        background_tasks.add_task(place.note, "second")

    transport = httpx2.ASGITransport(app)
    async with manager, httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        place.fall("insert")
        refused = await client.post("/")
        place.heal()
        accepted = await client.post("/")
        await wait_until(lambda: ended(manager))

    assert (refused.status_code, accepted.status_code) == (503, 200)
    assert int(refused.headers["Retry-After"]) >= 1
    assert place.ran == ["first", "second"]


async def test_what_runs_through_an_outage_ends_well_and_nobody_is_taken_for_dead(
    place: Place,
) -> None:
    async with place.manager() as first, place.manager() as second:
        ids = [(await first.enqueue(place.hold, name)).task_id for name in "abc"]
        await wait_until(lambda: len(place.ran) == 3)
        names = [one.runtime.engine().instance_id for one in (first, second)]
        place.fall()
        beats = [backend.calls.count("beat") + OUTAGE_BEATS for backend in place.backends]
        place.release.set()
        await wait_until(
            lambda: all(
                backend.calls.count("beat") >= least
                for backend, least in zip(place.backends, beats, strict=True)
            )
        )
        place.heal()
        await wait_until(lambda: ended(second))

        assert [one.runtime.engine().instance_id for one in (first, second)] == names
        records = [await second.get(task_id) for task_id in ids]
        assert {record.status for record in records if record} == {TaskStatus.SUCCESS}

    assert sorted(place.ran) == ["a", "b", "c"]


async def test_with_too_many_unstored_outcomes_nothing_new_starts(place: Place) -> None:
    async with place.manager(outbox_limit=2, max_concurrent_tasks=1) as manager:
        place.fall("finish")
        for number in range(6):
            await manager.enqueue(place.note, str(number))
        settling = manager.runtime.engine().settling
        await wait_until(lambda: not settling.has_room())
        (backend,) = place.backends
        tries = backend.calls.count("finish") + 3
        await wait_until(lambda: backend.calls.count("finish") >= tries)

        assert len(place.ran) <= 3
        place.heal()
        await wait_until(lambda: ended(manager))

    assert sorted(place.ran) == [str(number) for number in range(6)]


@pytest.mark.parametrize("verb", ["start", "finish"])
async def test_no_connection_waits_for_a_store_that_is_gone(place: Place, verb: str) -> None:
    app = FastAPI()
    manager = place.manager()
    manager.install(app)

    @app.post("/")
    def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(place.note, "first")
        background_tasks.add_task(place.note, "second")

    transport = httpx2.ASGITransport(app)
    async with manager, httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        place.fall(verb)
        # It returns when the response's background chain has.
        async with asyncio.timeout(5.0):
            answer = await client.post("/")
        place.heal()
        await wait_until(lambda: ended(manager))

    assert answer.status_code == 200
    assert sorted(place.ran) == ["first", "second"]


async def test_a_stop_during_an_outage_comes_to_its_end(place: Place) -> None:
    manager = place.manager()
    await manager.startup()
    await manager.enqueue(place.hold, "held")
    await wait_until(lambda: place.ran)
    place.fall()

    await asyncio.wait_for(manager.shutdown(), 60)
