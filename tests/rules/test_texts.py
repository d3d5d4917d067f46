import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.rules.tracebacks import error_text, format_exception
from fastapi_taskflow.words.texts import (
    ERROR_LIMIT_BYTES,
    TRACE_LIMIT_BYTES,
    clean,
    clip,
)

anything = st.text(st.characters(exclude_categories=()))


def raised_by(call) -> BaseException:
    """What it raises, with a traceback that begins in it."""
    try:
        call()
    except BaseException as exc:
        return exc.with_traceback(exc.__traceback__ and exc.__traceback__.tb_next)
    pytest.fail("it raised nothing")


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __repr__(self):
        raise SystemExit


class HalfBroken(Exception):
    def __str__(self):
        raise KeyboardInterrupt


class NoText(Exception):
    def __str__(self):
        return 3  # noqa: PLE0307  (it is the point)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such user"), "no such user"),
        (ValueError(), "ValueError"),
        (ValueError("  \n"), "ValueError"),
        (KeyError("x"), "'x'"),
        (ValueError("a", 1), "('a', 1)"),
        (ValueError("\x1b[31mred\x00\ud800"), "red?"),
        (Broken(), "Broken"),
        (HalfBroken("x"), "HalfBroken('x')"),
        (NoText("x"), "NoText('x')"),
        (SystemExit(3), "3"),
    ],
)
def test_an_error_is_its_string_form_or_its_type(error, text):
    assert error_text(error) == text


def test_the_limits_are_those_of_the_columns():
    assert (ERROR_LIMIT_BYTES, TRACE_LIMIT_BYTES) == (16_384, 65_536)


def test_a_long_error_is_cut():
    text = error_text(ValueError("x" * 10**6 + "the end"))

    assert len(text.encode()) <= ERROR_LIMIT_BYTES
    assert text.endswith("the end")


@given(anything)
def test_clean_text_can_be_stored_and_stays_clean(text):
    once = clean(text)

    once.encode()
    assert "\x00" not in once
    assert "\x1b" not in once
    assert "\r" not in once
    assert clean(once) == once


@given(st.text(st.characters(exclude_categories=["C"])))
def test_text_without_control_characters_is_left_as_it_is(text):
    assert clean(text) == text


def test_an_unfinished_terminal_sequence_does_not_swallow_the_rest():
    assert clean("a \x1b]0;title, and \x1b[\nthe rest") == "a 0;title, and [\nthe rest"


def test_cleaning_takes_time_in_proportion_to_the_text():
    began = time.perf_counter()
    clean("\x1b]" * 500_000)
    clean("\x1b[" * 500_000)

    # Quadratic, it would be minutes.
    assert time.perf_counter() - began < 10


@given(st.text(), st.integers(100, 300))
def test_clipped_text_fits(text, limit):
    clipped = clip(text * 5, limit)

    assert len(clipped.encode()) <= limit
    if len((text * 5).encode()) <= limit:
        assert clipped == text * 5
    else:
        assert "left out" in clipped


def test_clipping_keeps_the_start_and_more_of_the_end():
    clipped = clip("start" + "x" * 10_000 + "end", 1_000)

    assert clipped.startswith("start")
    assert clipped.endswith("end")
    assert clipped.index("...") < 500


# Tracebacks


def from_the_library(call):
    """Run ``call`` under a frame of the library, as the engine does."""
    namespace = {"__name__": "fastapi_taskflow.engine.run.attempt", "call": call}
    exec("def run():\n    return call()\n", namespace)  # noqa: S102  (a frame of that module)
    return namespace["run"]


def test_a_traceback_begins_with_the_users_function():
    def send():
        raise ValueError("no such user")

    error = raised_by(from_the_library(from_the_library(send)))

    text = format_exception(error)

    # The exception itself is left as it was.
    assert len(traceback.extract_tb(error.__traceback__)) == 3
    lines = text.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in send")
    assert lines[-1] == "ValueError: no such user"


def test_frames_of_the_library_below_the_users_are_kept():
    def send():
        from_the_library(lambda: 1 / 0)()

    text = format_exception(raised_by(from_the_library(send)))

    assert text.index("in send") < text.index("in run")


def test_a_defect_of_the_library_shows_all_its_frames():
    text = format_exception(raised_by(from_the_library(None)))

    assert "in run" in text


def test_a_cause_is_shown():
    try:
        try:
            raise KeyError("inner")
        except KeyError as exc:
            raise ValueError("outer") from exc
    except ValueError as exc:
        text = format_exception(exc)

    assert text.index("inner") < text.index("direct cause") < text.index("outer")


@pytest.mark.parametrize("kind", [Broken, HalfBroken, NoText])
def test_formatting_never_fails(kind):
    def fail():
        raise kind("x")

    assert kind.__name__ in format_exception(raised_by(fail))


def test_an_error_without_a_traceback_is_formatted():
    assert format_exception(ValueError("x")) == "ValueError: x\n"


def test_a_deep_traceback_is_bounded_and_keeps_its_end():
    def recurse(n):
        if n == 0:
            raise ValueError("x" * TRACE_LIMIT_BYTES + "the end")
        if n % 2:
            recurse(n - 1)
        else:
            recurse(n - 1)

    try:
        recurse(600)
    except ValueError as exc:
        text = format_exception(exc)

    assert len(text.encode()) <= TRACE_LIMIT_BYTES
    assert text.endswith("the end\n")
    assert text.startswith("Traceback")
