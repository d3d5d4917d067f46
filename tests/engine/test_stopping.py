"""A stop is whole, whoever gives up on it, and nothing starts in the middle of one."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from fastapi_taskflow import MemoryBackend, TaskManager, TaskObserver
from fastapi_taskflow.backends.base.forwarding import Call, Forwarding
from fastapi_taskflow.engine import lifecycle
from fastapi_taskflow.engine.core.supervisor import Supervisor
from fastapi_taskflow.loggers.base import TaskEvent
from tests.support.gates import Gate
from tests.support.waiting import PATIENCE_SECONDS, wait_until

T = TypeVar("T")

Make = Callable[..., TaskManager]


def hearts() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "heartbeat" in each.name}


@pytest.mark.parametrize("rounds", [1, 3])
async def test_who_gives_up_on_a_stop_leaves_nothing_of_it_behind(
    manager: Make, rounds: int
) -> None:
    beating = hearts()
    tasks = manager(drain_timeout=600.0)
    gate = Gate()

    @tasks.task(persist=True)
    async def wait() -> None:
        await gate.stand()

    await tasks.startup()
    await tasks.enqueue(wait)
    await gate.reached()
    stop = asyncio.create_task(tasks.shutdown())
    for _ in range(rounds):
        await asyncio.sleep(0)
    stop.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stop

    await wait_until(lambda: hearts() <= beating)
    await tasks.startup()
    gate.open()
    await tasks.enqueue(wait)
    await wait_until(lambda: gate.passed == 1)


async def test_a_start_during_a_stop_is_the_next_start(manager: Make) -> None:
    tasks = manager()
    gate, ran = Gate(), []

    @tasks.task()
    async def wait() -> None:
        await gate.stand()

    @tasks.task()
    async def work() -> None:
        ran.append(1)

    await tasks.startup()
    await tasks.enqueue(wait)
    await gate.reached()
    stop = asyncio.create_task(tasks.shutdown())
    await asyncio.sleep(0)
    start = asyncio.create_task(tasks.__aenter__())
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(stop, start)

    await tasks.enqueue(work)
    await wait_until(lambda: bool(ran))


class _Exits(TaskObserver):
    """Ends the process where somebody lets it."""

    def __init__(self, error: type[BaseException], when: str) -> None:
        super().__init__()
        self._error, self._when = error, when

    async def startup(self) -> None:
        self._act("startup")

    async def close(self) -> None:
        self._act("close")

    def _act(self, when: str) -> None:
        if when == self._when:
            raise self._error


@pytest.mark.parametrize("when", ["startup", "close"])
@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]
)
async def test_no_observer_ends_the_process(
    manager: Make, error: type[BaseException], when: str
) -> None:
    tasks = manager(loggers=[_Exits(error, when)])
    ran = []

    @tasks.task()
    async def work() -> None:
        ran.append(1)

    async with tasks:
        await tasks.enqueue(work)
        await wait_until(lambda: bool(ran))


async def test_an_observer_that_does_not_heed_its_cancellation_is_left_behind(
    manager: Make,
) -> None:
    let_go = asyncio.Event()

    class Deaf(TaskObserver):
        async def close(self) -> None:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue

    tasks = manager(loggers=[Deaf()])
    await tasks.startup()
    stop = asyncio.create_task(tasks.shutdown())

    await asyncio.wait((stop,), timeout=60)

    assert stop.done()
    let_go.set()


async def test_an_observer_that_is_stuck_is_closed_and_its_losses_are_told(
    manager: Make, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(TaskObserver):
        closed = False

        async def on_events(self, events: Sequence[TaskEvent]) -> None:
            await asyncio.Event().wait()

        async def close(self) -> None:
            self.closed = True

    stuck = Stuck()
    tasks = manager(loggers=[stuck])
    ran = []

    @tasks.task()
    async def work() -> None:
        ran.append(1)

    async with tasks:
        await tasks.enqueue(work)
        await wait_until(lambda: bool(ran))

    assert stuck.closed
    assert "Observer Stuck: 0 failures, " in caplog.text
    assert "could not be closed" not in caplog.text


async def test_what_a_cancelled_service_starts_is_cancelled_too() -> None:
    before = asyncio.all_tasks()
    supervisor = Supervisor()
    held, ends = asyncio.Event(), list[str]()

    async def hold(name: str) -> None:
        try:
            await held.wait()
        finally:
            ends.append(name)
            if name == "first":
                supervisor.spawn(hold("second"), "second")

    supervisor.spawn(hold("first"), "first")
    await asyncio.sleep(0)
    await supervisor.stop()

    assert ends[0] == "first"
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("stopped", [False, True])
async def test_what_is_put_off_happens_only_before_the_stop(stopped: bool) -> None:
    supervisor = Supervisor()
    happened = list[str]()
    later = asyncio.Event()

    supervisor.after(0.01, happened.append, "put off")
    if stopped:
        await supervisor.stop()
    asyncio.get_running_loop().call_later(0.02, later.set)
    await later.wait()

    assert happened == ([] if stopped else ["put off"])


class Forgetful(Forwarding):
    """Loses in one verb that it was cancelled, as a client of a server may while it connects."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.asked = 0

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        if verb == "purge":
            self.asked += 1
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return await call()


async def test_a_store_that_loses_a_cancellation_holds_up_no_stop() -> None:
    store = Forgetful()
    tasks = TaskManager(snapshot_backend=store)
    await tasks.startup()
    await wait_until(lambda: store.asked)

    # The next round of housekeeping is ten times as far away.
    await asyncio.wait_for(tasks.shutdown(), PATIENCE_SECONDS)


class Silent(Forwarding):
    """Answers nothing from the first claim on, but that it is closed."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.asked = asyncio.Event()

    async def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> T:
        if verb == "claim":
            self.asked.set()
        if self.asked.is_set() and verb != "close":
            await asyncio.Event().wait()
        return await call()


async def test_a_silent_store_uses_up_no_drain_time_where_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.01)
    store = Silent()
    tasks = TaskManager(snapshot_backend=store, drain_timeout=600.0)

    @tasks.task(persist=True)
    async def work() -> None: ...

    await tasks.startup()
    await store.asked.wait()

    await asyncio.wait_for(tasks.shutdown(), PATIENCE_SECONDS)

    assert "could not say goodbye: the store did not answer" in caplog.text
