import io
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.loggers import LogEvent, StdoutLogger
from fastapi_taskflow.loggers.lines import format_event
from fastapi_taskflow.models import TaskStatus


def test_a_log_line_names_task_function_time_and_message(said):
    assert format_event(said()) == "[2e3f4a5b] [send_email] 2026-04-30T12:00:00 hello"


def test_a_lifecycle_line_names_the_state(became):
    assert format_event(became()) == "[2e3f4a5b] [send_email] 2026-04-30T12:00:00 -- SUCCESS"


def test_a_failure_tells_its_error_in_the_same_line(became):
    line = format_event(became(TaskStatus.FAILED, "ValueError: no\nsuch user"))

    assert line.endswith(r" -- FAILED: ValueError: no\nsuch user")


@pytest.mark.parametrize(
    "nasty",
    ["\r\n[x] forged", "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\x85", "\u2028", "\u202e", "\x00"],
)
def test_a_message_cannot_forge_a_line_or_command_a_terminal(said, nasty):
    line = format_event(said(f"before {nasty} after"))

    assert line.isprintable()
    assert line.count("before") == 1
    assert line.endswith(" after")


@given(message=st.text(), func_name=st.text())
def test_whatever_is_said_one_event_is_one_line(message, func_name):
    event = LogEvent("0" * 36, func_name, message, "info", datetime(2026, 1, 1, tzinfo=UTC), 0)

    assert len(format_event(event).splitlines()) == 1


def test_plain_text_of_any_language_stays_as_it_is(said):
    text = 'Grüße, 世界 — "quoted" \\ and\ttabs'

    assert format_event(said(text)).endswith(text)


async def test_stdout_shows_log_lines_and_leaves_lifecycle_out(capsys, said, became):
    logger = StdoutLogger()

    await logger.on_events([said("one"), said("low", "debug"), became(), said("two")])
    await logger.close()

    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["one", "two"]


async def test_stdout_shows_lifecycle_on_request(capsys, said, became):
    logger = StdoutLogger(log_lifecycle=True, min_level="error")

    await logger.on_log(said("quiet"))
    await logger.on_lifecycle(became())
    await logger.close()

    assert capsys.readouterr().out.endswith("12:00:00 -- SUCCESS\n")


async def test_stdout_escapes_what_the_terminal_cannot_show(monkeypatch, said):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    logger = StdoutLogger()

    await logger.on_log(said("café \udcff"))
    await logger.close()

    assert raw.getvalue().endswith(b"caf\\xe9 \\udcff\n")
