"""What reaches a child process from the context of who added the task."""

import logging
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry import baggage
from opentelemetry.context import attach, detach

from fastapi_taskflow import ManagedBackgroundTasks, TaskAdmin, TaskManager
from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.rules.ends import Returned
from fastapi_taskflow.testing import async_drain
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import carriedwork
from tests.support.carriedwork import CUSTOMER, NOTE, OneWay, Request


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(slots=1)
    await executor.open()
    yield executor
    await executor.close(1.0)


async def told(executor: ProcessExecutor, func: Any) -> Any:
    """What a function gives that is called with the context as it is now."""
    end = await Watched(executor, call_of(func)).end()
    assert isinstance(end, Returned)
    return end.value


async def test_variables_are_known_by_where_they_stand(executor: ProcessExecutor) -> None:
    CUSTOMER.set({"name": "Ada"})
    NOTE.set(7)
    Request.tenant.set("north")

    assert await told(executor, carriedwork.seen) == ({"name": "Ada"}, 7, "north")


async def test_nothing_of_one_call_is_left_for_the_next(executor: ProcessExecutor) -> None:
    await told(executor, carriedwork.spoils)
    context = copy_context()
    context.run(CUSTOMER.set, "of the first")
    first = await Watched(executor, call_of(carriedwork.customer, context=context)).end()

    assert first == Returned("of the first")
    assert await told(executor, carriedwork.customer) == "unset"


async def test_each_variable_that_cannot_be_sent_stays_alone(
    executor: ProcessExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere: ContextVar[int] = ContextVar("made by the call")
    nowhere.set(1)
    NOTE.set("comes")
    with caplog.at_level(logging.DEBUG, "fastapi_taskflow"):
        for value in (threading.Lock(), threading.Lock(), b"x" * 2_000_000, OneWay()):
            CUSTOMER.set(value)
            assert await told(executor, carriedwork.seen) == ("unset", "comes", "unset")

    (line,) = [line for line in caplog.messages if "carriedwork.CUSTOMER" in line]
    assert line.endswith("does not reach child processes: lock cannot be pickled: TypeError")


async def test_a_trace_goes_on_in_the_child(executor: ProcessExecutor) -> None:
    with carriedwork.TRACER.start_as_current_span("adds a task") as span:
        token = attach(baggage.set_baggage("customer", "Ada, 7 = N°"))
        found = await told(executor, carriedwork.traced)
        detach(token)
    mine = span.get_span_context()

    assert found == (mine.trace_id, mine.span_id, "Ada, 7 = N°")
    # And the next call has none of it.
    trace, parent, carried = await told(executor, carriedwork.traced)
    assert trace != mine.trace_id
    assert (parent, carried) == (0, None)


async def test_it_is_the_context_of_the_endpoint() -> None:
    tasks = TaskManager(max_process_workers=1)
    app = FastAPI()
    TaskAdmin(app, tasks, auto_install=True)
    places = [
        tasks.task(executor=where, name=where)(func)
        for where, func in (("process", carriedwork.says_customer), ("thread", carriedwork.repeats))
    ]

    @app.post("/{name}")
    async def add(name: str, background: ManagedBackgroundTasks) -> list[str]:
        CUSTOMER.set(name)
        return [background.add_task(each) for each in places]

    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as client:
        answer = await client.post("http://app/Ada")
        await async_drain(tasks, timeout=60)
        records = [await tasks.get(task_id) for task_id in answer.json()]

    assert [record and [line[20:] for line in record.logs] for record in records] == [["Ada"]] * 2
