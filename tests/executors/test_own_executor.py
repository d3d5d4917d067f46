"""An executor of a user's own carries tasks through the whole engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fastapi_taskflow import ConfigurationError, TaskManager
from fastapi_taskflow.executors import (
    Call,
    Executor,
    OnEnd,
    Raised,
    Reason,
    Returned,
    Run,
    Say,
    perform,
)
from fastapi_taskflow.testing import async_drain
from fastapi_taskflow.testing.conformance.work import plain
from tests.support.ownexecutor import child_process
from tests.support.waiting import wait_until


class Own(Executor):
    """A thread for each call; what it is told beside that, it does."""

    def __init__(self, slots: int | None = None) -> None:
        self.slots = slots
        self.calls: list[Call] = []
        self.life: list[str] = []

    async def open(self) -> None:
        self.life.append("open")

    async def close(self, grace: float) -> None:
        self.life.append("close")

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        self.calls.append(call)

        def work() -> None:
            told = perform(call, say)
            ended(told)
            ended(Returned("told twice"))

        threading.Thread(target=work, daemon=True).start()
        return _Asked()


class _Asked:
    def stop(self, reason: Reason) -> bool:
        raise RuntimeError("does not know how")


class Broken(Executor):
    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        raise ConnectionError("no cluster")


class AsyncRun(Executor):
    async def run(self, call: Call, ended: OnEnd, say: Say) -> Run:  # type: ignore[override]
        raise NotImplementedError


class Gives(Own):
    """Tells this as the end of each call."""

    def __init__(self, told: object, *, elsewhere: bool = False) -> None:
        super().__init__()
        self.told = told
        self.elsewhere = elsewhere

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        if self.elsewhere:
            threading.Thread(target=ended, args=(self.told,)).start()
        else:
            ended(self.told)  # type: ignore[arg-type]
        return _Asked()


class Fragile(Own):
    """Each verb but `run` raises what it was given for it."""

    def __init__(self, **errors: BaseException) -> None:
        super().__init__()
        self.errors = errors

    async def open(self) -> None:
        self._raise("open")
        await super().open()

    def drain(self) -> None:
        self._raise("drain")

    async def close(self, grace: float) -> None:
        await super().close(grace)
        self._raise("close")

    def _raise(self, verb: str) -> None:
        if verb in self.errors:
            raise self.errors[verb]


class Deaf(Own):
    """Its calls never end; a stop does what it was given."""

    def __init__(self, stop: Callable[[], object]) -> None:
        super().__init__()
        self._stop = stop

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        return _Deaf(self._stop)


class _Deaf:
    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    def stop(self, reason: Reason) -> bool:
        return self._stop()  # type: ignore[return-value]


async def _coroutine() -> bool:
    return True


def _cancelled() -> bool:
    raise asyncio.CancelledError


@pytest.fixture(params=[False, True], ids=["memory", "durable"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., TaskManager]:
    db = tmp_path / "tasks.db" if request.param else None
    return lambda **executors: TaskManager(
        snapshot_db=db, requeue_pending=request.param, executors=executors, drain_timeout=5.0
    )


async def test_a_task_is_retried_and_logs_on_it(make: Callable[..., TaskManager]) -> None:
    own = Own(slots=2)
    tasks = make(own=own)
    tasks.task(executor="own", retries=1, name="fails")(plain.fail)
    tasks.task(executor="own", name="says")(plain.say)
    async with tasks:
        failed = (await tasks.enqueue(plain.fail, "no")).task_id
        said = (await tasks.enqueue(plain.say, 2)).task_id
        await async_drain(tasks, timeout=60)
        records = [await tasks.get(task_id) for task_id in (failed, said)]

    first, second = records
    assert first is not None
    assert second is not None
    assert (first.status.value, first.error, first.retries_used) == ("failed", "no", 1)
    assert "_deeper" in str(first.stacktrace)
    assert (second.status.value, second.executor) == ("success", "own")
    assert [line[20:] for line in second.logs] == ["line 0", "line 1"]
    assert [call.attempt for call in own.calls if call.func_name == "fails"] == [0, 1]
    assert own.life == ["open", "close"]


async def test_what_is_made_of_its_functions_runs_there_as_well() -> None:
    own = Own()
    tasks = TaskManager(executors={"own": own})
    tasks.task(executor="own")(plain.double)
    async with tasks:
        task_id = (await tasks.enqueue(partial(plain.double, 1))).task_id
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert (record.status.value, record.executor, len(own.calls)) == ("success", "own", 1)


async def test_its_slots_are_kept_to(make: Callable[..., TaskManager], tmp_path: Path) -> None:
    own = Own(slots=1)
    tasks = make(own=own)
    tasks.task(executor="own")(plain.wait)
    async with tasks:
        for number in range(3):
            await tasks.enqueue(plain.wait, str(tmp_path), str(number))
        await wait_until(lambda: bool(own.calls))
        called = len(own.calls)
        (tmp_path / "open").touch()
        await async_drain(tasks, timeout=60)

    assert (called, len(own.calls)) == (1, 3)


async def test_one_that_can_stop_nothing_is_given_up_on(
    make: Callable[..., TaskManager], tmp_path: Path
) -> None:
    tasks = make(own=Own())
    tasks.task(executor="own", timeout=0.05)(plain.wait)
    async with tasks:
        task_id = (await tasks.enqueue(plain.wait, str(tmp_path), "late")).task_id
        await wait_until(lambda: _ended(tasks, task_id))
        record = await tasks.get(task_id)
        (tmp_path / "open").touch()

    assert record is not None
    assert (record.status.value, str(record.error)[:9]) == ("failed", "Timed out")


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_process_is_killed_for_its_task(
    make: Callable[..., TaskManager], tmp_path: Path, how: str
) -> None:
    tasks = make(child=child_process(slots=2))
    timeout = 0.05 if how == "timeout" else None
    tasks.task(executor="child", retries=0, timeout=timeout)(plain.wait)
    async with tasks:
        task_id = (await tasks.enqueue(plain.wait, str(tmp_path), "one")).task_id
        if how == "cancel":
            await wait_until((tmp_path / "one arrived").exists)
            await tasks.cancel(task_id)
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == ("cancelled" if how == "cancel" else "failed")


async def test_a_process_that_dies_interrupts_its_task(make: Callable[..., TaskManager]) -> None:
    tasks = make(child=child_process(slots=2))
    tasks.task(executor="child")(plain.die)
    async with tasks:
        task_id = (await tasks.enqueue(plain.die)).task_id
        await wait_until(lambda: _ended(tasks, task_id))
        record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == "interrupted"


async def test_one_that_cannot_run_a_call_fails_its_task(make: Callable[..., TaskManager]) -> None:
    tasks = make(broken=Broken())
    tasks.task(executor="broken")(plain.double)
    async with tasks:
        task_id = (await tasks.enqueue(plain.double, 1)).task_id
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert (record.status.value, record.error) == ("failed", "no cluster")


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    "told",
    [None, "done", Returned, ValueError("x"), Raised("x"), Raised(ValueError("x"), 5, 6)],  # type: ignore[arg-type]
)
async def test_what_is_no_end_fails_its_task_and_says_so(told: object, elsewhere: bool) -> None:
    tasks = TaskManager(executors={"own": Gives(told, elsewhere=elsewhere)})
    tasks.task(executor="own")(plain.double)
    async with tasks:
        task_id = (await tasks.enqueue(plain.double, 1)).task_id
        await async_drain(tasks, timeout=60)
        record = await tasks.get(task_id)

    assert record is not None
    assert record.status.value == "failed"
    assert "in place of Returned, Raised, Stopped or Lost" in str(record.error)


@pytest.mark.parametrize("stop", [_coroutine, _cancelled, lambda: None])
async def test_a_stop_that_is_no_answer_is_taken_for_no(stop: Callable[[], object]) -> None:
    tasks = TaskManager(executors={"own": Deaf(stop)}, drain_timeout=0.05)
    tasks.task(executor="own", timeout=0.05)(plain.double)
    async with tasks:
        task_id = (await tasks.enqueue(plain.double, 1)).task_id
        await wait_until(lambda: _ended(tasks, task_id))
        record = await tasks.get(task_id)

    assert record is not None
    assert (record.status.value, str(record.error)[:9]) == ("failed", "Timed out")


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        ("drain", ValueError("no")),
        ("close", ValueError("no")),
        ("close", asyncio.CancelledError()),
    ],
)
async def test_a_failed_end_of_one_executor_harms_no_other(
    make: Callable[..., TaskManager],
    caplog: pytest.LogCaptureFixture,
    verb: str,
    error: BaseException,
) -> None:
    first, second = Own(), Own()
    tasks = make(first=first, odd=Fragile(**{verb: error}), second=second)
    tasks.task(executor="second")(plain.double)
    async with tasks:
        await tasks.enqueue(plain.double, 1)
        await async_drain(tasks, timeout=60)

    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "'odd'" in said[0]
    assert (first.life, second.life) == (["open", "close"], ["open", "close"])


@pytest.mark.parametrize("error", [OSError("no card"), asyncio.CancelledError()])
async def test_one_that_does_not_open_is_named(error: BaseException) -> None:
    first = Own()
    tasks = TaskManager(executors={"first": first, "gpu": Fragile(open=error)})

    with pytest.raises((OSError, ConfigurationError)) as refused:
        await tasks.startup()

    assert "'gpu'" in f"{refused.value} {getattr(refused.value, '__notes__', '')}"
    assert first.life == ["open", "close"]


async def test_one_executor_is_open_for_one_engine_at_a_time() -> None:
    shared = Own()
    first, second = (TaskManager(executors={name: shared}) for name in ("one", "two"))
    async with first:
        with pytest.raises(ConfigurationError, match="'two' is open already"):
            await second.startup()
    async with second:
        pass

    assert shared.life == ["open", "close"] * 2


def test_an_executor_that_nobody_knows_is_refused_with_those_that_are() -> None:
    tasks = TaskManager(executors={"gpu": Own()})

    known = r"'async', 'thread', 'process', 'gpu'.*mean 'gpu'"
    with pytest.raises(ConfigurationError, match=known):
        tasks.task(executor="gpi")(plain.double)


def test_an_executor_refuses_a_function_when_it_is_registered() -> None:
    class Picky(Own):
        def check(self, func: Callable[..., object]) -> None:
            raise ValueError("it has no kernel")

    tasks = TaskManager(executors={"gpu": Picky()})

    text = "executor='gpu' on the plain function double: it has no kernel"
    with pytest.raises(ConfigurationError, match=text):
        tasks.task(executor="gpu")(plain.double)


@pytest.mark.parametrize(
    ("executors", "text"),
    [
        ([Own()], "executors"),
        ({"thread": Own()}, "taken"),
        ({"dask": Own()}, "taken"),
        ({"gpu": Own}, "Executor"),
        ({"gpu": Own(slots=0)}, "slots of 'gpu'"),
        ({"": Own()}, "executors: a name"),
        ({"gpu": AsyncRun()}, "'gpu' takes a plain `def run`"),
    ],
)
def test_executors_that_cannot_work_are_refused(executors: object, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        TaskManager(executors=executors)  # type: ignore[arg-type]


def _ended(tasks: TaskManager, task_id: str) -> bool:
    record = tasks.store.get(task_id)
    return record is not None and record.end_time is not None
