"""Exceptions of any make become text: bounded, masked, and quick or said not to be."""

from typing import Any

import pytest

from fastapi_taskflow.rules.exceptionparts import lone
from fastapi_taskflow.rules.quickness import is_quick
from fastapi_taskflow.rules.redaction import MASK, Mask
from fastapi_taskflow.rules.tracebacks import error_text, format_exception
from fastapi_taskflow.words.texts import ERROR_LIMIT_BYTES, TRACE_LIMIT_BYTES

CANARY = "canary-4242"


def chain(length: int) -> BaseException:
    error = ValueError("the first")
    for number in range(length):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    return error


def group(depth: int) -> Exception:
    if depth == 0:
        return ValueError("leaf")
    return ExceptionGroup("g", [group(depth - 1), group(depth - 1)])


def shared(depth: int) -> Any:
    value: Any = ["a"]
    for _ in range(depth):
        value = [value, value]
    return value


def noted(*notes: Any) -> BaseException:
    error = ValueError("x")
    error.__notes__ = list(notes)
    return error


class OwnText(Exception):
    def __str__(self) -> str:
        return f"own {self.args[0]}"


class Meta(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("name")


class OfMeta(Exception, metaclass=Meta): ...


class Counted(Exception):
    asked = 0

    def __str__(self) -> str:
        Counted.asked += 1
        return "counted"


LARGE = {
    "text": lambda: ValueError("x" * 10**8),
    "two texts": lambda: ValueError("x" * 10**8, b"y" * 10**8),
    "shared": lambda: ValueError(shared(60)),
    "a thousand causes": lambda: chain(1_000),
    "a thousand notes": lambda: noted(*["note"] * 100_000),
    "a long note": lambda: noted("n" * 10**8),
    "groups": lambda: group(9),
    "a key": lambda: KeyError("k" * 10**8),
    "a class of a class": OfMeta,
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_of_any_exception_there_is_a_short_text(make):
    error = make()

    text, trace = error_text(error), format_exception(error)

    assert 0 < len(text.encode()) <= ERROR_LIMIT_BYTES
    assert 0 < len(trace.encode()) <= TRACE_LIMIT_BYTES
    assert type(error).__mro__[0] is not None


def test_of_many_causes_the_last_ones_are_told():
    trace = format_exception(chain(1_000))

    assert trace.startswith("... earlier exceptions left out ...")
    assert trace.endswith("ValueError: 999\n")
    assert "ValueError: 998\n\nThe above exception was the direct cause" in trace


def test_the_errors_of_a_group_are_told_one_by_one():
    error = ExceptionGroup("two of them", [ValueError("a"), ExceptionGroup("in", [KeyError("b")])])

    trace = format_exception(error)

    assert "ExceptionGroup: two of them (2 sub-exceptions)" in trace
    assert "  | ValueError: a\n" in trace
    assert "  |   | KeyError: 'b'\n" in trace


def test_notes_stand_below_their_error():
    assert format_exception(noted("see the manual", 5)) == "ValueError: x\nsee the manual\n"


@pytest.mark.parametrize("place", [0, 4_000, 4_090, 10**6, 10**7 - 12_285, 10**7 - 20])
def test_a_secret_at_the_cut_of_a_long_text_leaves_no_half(place):
    mask = Mask([CANARY])
    text = "x" * place + CANARY + "x" * (10**7 - place)

    for shown in (error_text(ValueError(text), mask), format_exception(ValueError(text), mask)):
        assert "canary" not in shown
        assert "4242" not in shown


def test_what_python_writes_is_quick_and_what_others_write_is_not():
    quick = [ValueError("x"), KeyError(1), ValueError([1, {"a": None}]), OSError(2, "no", "f")]
    slow = [OwnText(1), ValueError(object()), ValueError(shared(12)), chain(100), group(6)]
    chained = ValueError("x")
    chained.__context__ = OwnText(1)

    assert all(map(is_quick, [*quick, ExceptionGroup("g", quick), OfMeta()]))
    assert not any(map(is_quick, [*slow, chained, ExceptionGroup("g", slow)]))


def test_each_part_of_a_trace_is_masked():
    error = noted(f"note {CANARY}")
    error.__cause__ = OwnText(CANARY)
    error = ExceptionGroup(CANARY, [error])

    trace = format_exception(error, Mask([CANARY]))

    assert CANARY not in trace
    assert trace.count(MASK) == 3


@pytest.mark.parametrize("shift", range(0, 202, 25))
def test_a_text_full_of_secrets_that_shrinks_shows_no_half_of_one(shift):
    secret = "canary-" + "".join(f"{number:03d}" for number in range(60)) + "-4242"
    text = "x" * shift + f"{secret} " * 2_000

    shown = error_text(ValueError(text), Mask([secret]))

    assert set(shown.replace(MASK, "").split("bytes or more left out")[0]) <= set("x .\n0123456789")
    assert "canary" not in shown
    assert "-4242" not in shown


def test_what_needs_a_file_of_source_is_not_quick():
    code = compile("def fail():\n    raise ValueError('x')", "/nowhere/generated.py", "exec")
    found: dict = {}
    exec(code, found)  # noqa: S102  (code without a file)
    with pytest.raises(ValueError, match="x") as raised:
        found["fail"]()

    assert not is_quick(raised.value)


def test_a_class_of_the_users_cannot_pass_for_a_group():
    def refuse(_):
        raise SystemExit

    posing = type("Posing", (Exception,), {"__class__": property(refuse)})("x")

    assert lone(posing) is posing
