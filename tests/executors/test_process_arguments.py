"""What a function in a child process gets as its arguments."""

import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from fastapi_taskflow import TaskArgumentError, TaskManager
from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.executors.sending.arguments import pack, unpack
from fastapi_taskflow.rules.ends import Raised, Returned, Stopped
from fastapi_taskflow.testing import async_drain
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.rules.shapes import Colour, calls, sketch
from tests.support import sentwork
from tests.support.sentwork import ByFields, Unknown
from tests.support.waiting import wait_until


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(slots=1)
    await executor.open()
    yield executor
    await executor.close(1.0)


@given(calls)
def test_it_gets_what_a_stored_task_would_get(call: Any) -> None:
    args, kwargs = call

    assert sketch(unpack(pack(args, kwargs, ("rest",)))) == sketch((call, ("rest",)))


def test_a_long_text_arrives_whole() -> None:
    text = "aü\ud800" * 1_000_000

    assert unpack(pack((text, [text]), {"more": text}, ())) == (
        ((text, [text]), {"more": text}),
        (),
    )


async def test_values_of_all_kinds_arrive(executor: ProcessExecutor) -> None:
    big = bytes(range(256)) * 40_000
    mixed = [Unknown("three"), Colour.RED, {"four"}]
    values: tuple[Any, ...] = (
        1,
        "ü",
        None,
        [1, {"a": (2.5, {3})}],
        ByFields("one", [2]),
        mixed,
        big,
    )
    for value, text in (
        *((each, sentwork.shown(each)) for each in values),
        # By value: they have no name by which a child could import them.
        (lambda: 7, "called: 7"),
    ):
        told = await Watched(executor, call_of(sentwork.shown, value)).end()
        assert told == Returned(text)


async def test_a_class_that_cannot_be_pickled_is_known_by_its_fields(tmp_path: Path) -> None:
    tasks = TaskManager(snapshot_db=tmp_path / "tasks.db", max_process_workers=1)
    for name, durable in (("plain", False), ("durable", True)):
        tasks.task(executor="process", name=name, persist=durable)(getattr(sentwork, name))
    async with tasks:
        added = [
            await tasks.enqueue(getattr(sentwork, name), ByFields(name, [1]))
            for name in ("plain", "durable")
        ]
        await async_drain(tasks, timeout=60)
        records = [await tasks.get(each.task_id) for each in added]

    assert [record and [line[20:] for line in record.logs] for record in records] == [
        ["ByFields: plain [1]"],
        ["ByFields: durable [1]"],
    ]


async def test_what_cannot_be_sent_is_told_with_what_to_do(
    executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = await Watched(executor, call_of(sentwork.shown, threading.Lock())).end()
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    function = await Watched(executor, call_of(sentwork.shown, lambda: 7)).end()

    for told, text in ((lock, "cannot pickle '_thread.lock'"), (function, "taskflow[process]'")):
        assert isinstance(told, Raised)
        assert isinstance(told.error, TaskArgumentError)
        assert text in str(told.error)


async def test_an_argument_that_cannot_be_made_there_says_what_to_do(
    executor: ProcessExecutor,
) -> None:
    told = await Watched(executor, call_of(sentwork.shown, sentwork.NoWayBack())).end()

    assert isinstance(told, Raised)
    assert str(told.error) == (
        "An argument arrived, and cannot be made in its process: ValueError: invalid literal for "
        "int() with base 10: 'no number.'. Give it plain values, or what it needs to find the "
        "object there; or use executor='thread'."
    )


async def test_what_takes_an_argument_apart_here_cannot_be_ended(
    executor: ProcessExecutor,
) -> None:
    packs = sentwork.Packs()
    watched = Watched(executor, call_of(sentwork.shown, packs))
    await wait_until(packs.begun.is_set)

    # As with a thread: the attempt need not wait for it.
    assert watched.run.stop("timeout") is False

    packs.goes_on.set()
    assert await watched.end() == Stopped()
