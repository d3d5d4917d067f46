import asyncio
import contextvars
import logging
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.models import TaskContext
from fastapi_taskflow.rules.context import (
    LEVELS,
    TaskExecutionContext,
    activate,
    deactivate,
    get_task_context,
    log_line,
    retry_separator,
    task_log,
)

NOON = datetime(2026, 4, 30, 12, 0, 0, 999_999, tzinfo=UTC)


class Run:
    """An attempt, as the engine's."""

    def __init__(self, task_id="t1"):
        self.task_context = TaskContext(task_id, "send", 0, {})
        self.lines = []

    def say(self, line):
        self.lines.append(tuple(line))


@pytest.fixture
def run():
    current = Run()
    token = activate(current)
    yield current
    deactivate(token)


def test_there_is_no_task_outside_of_one():
    assert get_task_context() is None


def test_a_task_sees_its_own_context(run):
    assert get_task_context() is run.task_context


def test_the_context_before_comes_back(run):
    token = activate(Run("t2"))
    assert get_task_context().task_id == "t2"

    deactivate(token)

    assert get_task_context().task_id == "t1"


def test_a_thread_with_a_copy_of_the_context_sees_the_task(run):
    seen = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: seen.append(context.run(get_task_context)))
    thread.start()
    thread.join()

    assert seen == [run.task_context]


def test_tasks_side_by_side_each_see_their_own():
    async def attempt(name):
        activate(Run(name))
        await asyncio.sleep(0)
        helper = asyncio.create_task(asyncio.to_thread(get_task_context))
        return get_task_context().task_id, (await helper).task_id

    async def both():
        return await asyncio.gather(attempt("a"), attempt("b"))

    assert asyncio.run(both()) == [("a", "a"), ("b", "b")]


# Logging


def test_a_line_goes_to_the_running_task(run, caplog):
    task_log("sent", level="warning", to="ada", size=3)
    task_log("plain")

    assert run.lines == [("sent", "warning", {"to": "ada", "size": 3}), ("plain", "info", {})]
    assert caplog.records == []


def test_what_is_no_text_is_logged_as_text(run):
    task_log(404)

    assert run.lines == [("404", "info", {})]


def test_what_holds_one_list_a_billion_times_is_logged_in_no_time(run):
    doubled = ["x"]
    for _ in range(60):
        doubled = [doubled, doubled]

    task_log(doubled)
    task_log(ValueError(doubled))

    assert [line.startswith("[[[") and len(line) < 100_000 for line, *_ in run.lines] == [True] * 2


@pytest.mark.parametrize(("level", "number"), LEVELS.items())
def test_outside_a_task_a_line_goes_to_the_standard_logger(caplog, level, number):
    caplog.set_level(logging.DEBUG, "fastapi_taskflow.task")

    # `name` and `args` are words that `logging` keeps for itself.
    task_log("100 % done", level=level, name="x", args=1)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("fastapi_taskflow.task", number)
    assert record.getMessage() == "100 % done"
    assert record.task_extra == {"name": "x", "args": 1}


@pytest.mark.parametrize(
    ("level", "meant"), [("notice", "info"), ("WARNING", "warning"), (10, "info"), ([], "info")]
)
def test_an_unknown_level_is_info_because_a_line_must_not_fail_its_task(run, level, meant):
    task_log("x", level=level)

    assert run.lines == [("x", meant, {})]


def test_outside_a_task_an_unknown_level_is_info_too(caplog):
    caplog.set_level(logging.DEBUG, "fastapi_taskflow.task")

    task_log("x", level="notice")

    assert caplog.records[0].levelno == logging.INFO


# Lines


def test_a_line_has_the_time_in_seconds_and_the_message():
    assert log_line(NOON, "Report complete") == "2026-04-30T12:00:00 Report complete"


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=5, minutes=45)), UTC])
def test_the_time_of_a_line_is_in_utc(zone):
    assert log_line(NOON.astimezone(zone), "x") == "2026-04-30T12:00:00 x"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("two\nlines", "two\nlines"),
        ("two\r\nlines\r", "two\nlines\n"),
        ("a\tb", "a\tb"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("nul\x00 bell\x07 del\x7f", "nul bell del"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("lone \ud800", "lone ?"),
        ("äöü 🙂", "äöü 🙂"),
        ("", ""),
    ],
)
def test_a_line_holds_nothing_that_a_terminal_or_store_cannot_take(message, text):
    assert log_line(NOON, message) == f"2026-04-30T12:00:00 {text}"


@given(st.text(st.characters(exclude_categories=())))
def test_any_line_can_be_stored(message):
    line = log_line(NOON, message)

    line.encode()
    assert not {*map(chr, range(32)), "\x7f"} - {"\n", "\t"} & set(line)


def test_a_long_line_is_cut():
    line = log_line(NOON, "ä" * 100_000)

    assert 16_000 < len(line.encode()) <= 16_384 + 20
    assert "left out" in line


def test_attempts_are_parted_by_a_separator():
    assert retry_separator(2) == "--- Retry 2 ---"


def test_an_execution_context_survives_the_way_to_another_process():
    context = TaskExecutionContext("t1", "send", 2, {"tenant": "a"})

    data = context.to_dict()

    assert data == {"task_id": "t1", "func_name": "send", "attempt": 2, "tags": {"tenant": "a"}}
    assert TaskExecutionContext.from_dict(data) == context
    assert TaskExecutionContext.from_dict({**data, "newer": 1}) == context
    with pytest.raises(KeyError):
        TaskExecutionContext.from_dict({"task_id": "t1"})


def test_an_execution_context_shares_no_tags():
    data = TaskExecutionContext("t1", "send", 2, {"tenant": "a"}).to_dict()
    context = TaskExecutionContext.from_dict(data)

    data["tags"]["tenant"] = "b"

    assert context.tags == {"tenant": "a"}
