"""Whatever one caller passes, the tasks beside it run and are listed, and no slot is lost."""

import asyncio
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_taskflow import (
    SqliteBackend,
    TaskAdmin,
    TaskManager,
    TaskStatus,
    get_task_context,
    task_log,
)
from tests.support.hostile import OPTIONS, VALUES
from tests.support.hostileerrors import ERRORS
from tests.support.waiting import wait_until

INNOCENT = 20
KEY = "a secret of at least thirty-two characters"


class Shop:
    """A manager with one slot on the event loop and one thread, and two callers.

    Args:
        kind: ``memory``, ``sqlite`` or ``encrypted``.
        persist: The tasks of both callers are durable.
    """

    def __init__(self, kind: str, folder: Path, *, persist: bool) -> None:
        backend = None
        if kind != "memory":
            backend = SqliteBackend(str(folder / "tasks.db"), synchronous="NORMAL")
        self.manager = TaskManager(
            snapshot_backend=backend,
            encrypt_args_key=KEY if kind == "encrypted" else None,
            max_concurrent_tasks=1,
            max_sync_threads=1,
            drain_timeout=1.0,
        )
        self.persist = persist
        self.ran: list[int] = []
        # What the hostile function does.
        self.acts: dict[str, Any] = {}
        # What he adds in a request: function and arguments, and options.
        self.mixed: tuple[list[Any], dict[str, Any]] = ([], {})
        task = self.manager.task(persist=persist, name="good")
        self.good = task(self._good)
        self.good_in_thread = self.manager.task(persist=persist, name="threaded")(self._threaded)
        self.bad = self.manager.task(persist=persist, name="bad")(self._bad)
        self.bad_in_thread = self.manager.task(persist=persist, name="worse")(self._worse)
        app = FastAPI()
        TaskAdmin(app, self.manager, auth=None, auto_install=True)
        app.post("/mixed")(self._mixed)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    async def _good(self, number: int) -> None:
        task_log(f"number {number}")
        self.ran.append(number)

    def _threaded(self, number: int) -> None:
        self.ran.append(number)

    async def _bad(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self._act()

    def _worse(self, *args: Any, **kwargs: Any) -> Any:
        return self._act()

    def _act(self) -> Any:
        acts = self.acts
        if "line" in acts:
            with suppress(Exception):
                task_log(
                    VALUES[acts["line"]](), level="info", extra=VALUES[acts["line"]](), name="x"
                )
        if "tag" in acts and (context := get_task_context()) is not None:
            context.tags["stolen"] = VALUES[acts["tag"]]()
        if "error" in acts:
            error: BaseException = ERRORS[acts["error"]]()
            raise error
        return VALUES[acts["value"]]() if "value" in acts else None

    async def _mixed(self, tasks: BackgroundTasks) -> list[str]:
        """A request whose second task is hostile."""
        add: Any = tasks.add_task
        ids = [add(self.good, 0)]
        with suppress(Exception):
            add(*self.mixed[0], **self.mixed[1])
        ids += [add(self.good_in_thread, 1), add(self.good, 2, priority=1)]
        return [*ids, add(self.good, 3, eager=True)]

    async def innocent(self, number: int) -> str:
        func = self.good if number % 2 else self.good_in_thread
        return (await self.manager.enqueue(func, number)).task_id

    def prepared(self, call: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The function with its arguments, and options."""
        self.acts = call["acts"]
        func = self.bad_in_thread if call["thread"] else self.bad
        args = [VALUES[place]() for place in call["args"]]
        options = {name: OPTIONS[name][place] for name, place in call["options"].items()}
        return [func, *args], options

    async def hostile(self, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            given, options = self.prepared(call)
            # He may be refused. Nothing but refusals may reach him.
            with suppress(Exception):
                await self.manager.enqueue(*given, **options)

    async def succeeded(self, ids: list[str]) -> bool:
        found = [await self.manager.get(task_id) for task_id in ids]
        return all(one is not None and one.status is TaskStatus.SUCCESS for one in found)

    async def check(self, ids: list[str]) -> None:
        """All of them have run, are listed, and left their slots to two more."""
        await wait_until(lambda: self.succeeded(ids), every=0.02)
        more = [await self.innocent(number) for number in (INNOCENT, INNOCENT + 1)]
        await wait_until(lambda: self.succeeded(more), every=0.02)
        await wait_until(lambda: not any(q["running"] for q in self.manager.queue_stats()))
        assert {one.task_id for one in await self.manager.merged_list()} >= {*ids, *more}
        for page in ("/tasks?limit=200", "/tasks/metrics", "/tasks/queues"):
            answer = await self.client.get(page)
            assert answer.status_code == 200, (page, answer.text)
        listed = (await self.client.get("/tasks?limit=200")).json()
        assert {one["task_id"] for one in listed} >= {*ids, *more}
        health = (await self.client.get("/tasks/health")).json()
        assert (health["status"], health["unsettled"]) == ("ok", 0), health


def pick(values: list[Any]) -> st.SearchStrategy[int]:
    """The place of one: Hypothesis would write the value, and look into it."""
    return st.integers(0, len(values) - 1)


ACTS = st.fixed_dictionaries(
    {},
    optional={
        "error": pick(ERRORS),
        "value": pick(VALUES),
        "line": pick(VALUES),
        "tag": pick(VALUES),
    },
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "thread": st.booleans(),
            "args": st.lists(pick(VALUES), max_size=2),
            "acts": ACTS,
            "options": st.fixed_dictionaries(
                {}, optional={name: pick(values) for name, values in OPTIONS.items()}
            ),
        }
    ),
    min_size=2,
    max_size=8,
)
BOUNDED = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("kind", "persist"),
    [
        ("memory", False),
        ("sqlite", False),
        ("sqlite", True),
        ("encrypted", False),
        ("encrypted", True),
    ],
)
@BOUNDED
@given(calls=CALLS)
def test_whatever_one_caller_passes_his_neighbours_tasks_run(
    kind: str, persist: bool, calls: list[dict[str, Any]]
) -> None:
    async def scene(folder: Path) -> None:
        shop = Shop(kind, folder, persist=persist)
        async with shop.manager:
            numbers = iter(range(INNOCENT))
            half = [shop.innocent(next(numbers)) for _ in range(INNOCENT // 2)]
            rest = [shop.innocent(number) for number in numbers]
            *ids, _ = await asyncio.gather(*half, *rest, shop.hostile(calls))
            await shop.check([task_id for task_id in ids if task_id is not None])
            assert sorted(shop.ran) == sorted([*range(INNOCENT), INNOCENT, INNOCENT + 1])

    with TemporaryDirectory() as folder:
        asyncio.run(scene(Path(folder)))


@pytest.mark.parametrize(("kind", "persist"), [("memory", False), ("encrypted", True)])
@BOUNDED
@given(calls=CALLS)
def test_the_other_tasks_of_a_request_with_a_hostile_one_run(
    kind: str, persist: bool, calls: list[dict[str, Any]]
) -> None:
    async def scene(folder: Path) -> None:
        shop = Shop(kind, folder, persist=persist)
        async with shop.manager:
            ids: list[str] = []
            for call in calls:
                shop.mixed = shop.prepared(call)
                answer = await shop.client.post("/mixed")
                assert answer.status_code == 200, answer.text
                ids += answer.json()
            await shop.check(ids)

    with TemporaryDirectory() as folder:
        asyncio.run(scene(Path(folder)))
